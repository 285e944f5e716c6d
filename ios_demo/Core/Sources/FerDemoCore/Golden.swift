import Foundation

/// One input and the logits it must give.
public struct GoldenVector: Sendable {
    public let name: String
    /// (C, H, W).
    public let pixels: [UInt8]
    public let logits: [Float]
}

/// What this device answered to a golden vector.
public struct GoldenAnswer: Equatable, Sendable {
    public let name: String
    public let logits: [Float]
    /// The largest of a logit; infinite where a logit is no number.
    public let difference: Double
}

/// How far this device is from the golden logits.
public struct GoldenVerdict: Equatable, Sendable, CustomStringConvertible {
    public let worst: Double
    public let worstVector: String
    public let allowed: Double
    public let answers: [GoldenAnswer]

    public init(worst: Double, worstVector: String, allowed: Double, answers: [GoldenAnswer] = []) {
        self.worst = worst
        self.worstVector = worstVector
        self.allowed = allowed
        self.answers = answers
    }

    public var agrees: Bool { worst <= allowed }

    public var description: String {
        let figures = [worst, allowed].map { String(format: "%.4g", $0) }
        let relation = agrees ? "within" : "beyond"
        return "logits differ by up to \(figures[0]) (\(worstVector)), \(relation) the allowed \(figures[1])"
    }
}

/// `golden.json`: a device that gives other logits than these must say so and must not classify.
public struct Golden: Sendable {
    public let contractSha256: String
    public let artifactSha256: String
    public let reference: String
    public let maxAbsDifference: Double
    public let vectors: [GoldenVector]

    /// Runs every vector through `engine`. Logits that are not numbers count as infinitely far.
    public func check(_ engine: Engine) throws -> GoldenVerdict {
        let answers = try vectors.map { vector -> GoldenAnswer in
            let logits = try engine.logits(FacePixels.floats(vector.pixels))
            return GoldenAnswer(
                name: vector.name, logits: logits, difference: Self.difference(logits, vector.logits))
        }
        let worst = answers.reduce(answers[0]) { $1.difference > $0.difference ? $1 : $0 }
        return GoldenVerdict(
            worst: worst.difference, worstVector: worst.name, allowed: maxAbsDifference, answers: answers)
    }

    /// Decodes the content of a `golden.json` that belongs to a model with `contract`.
    public static func decode(_ data: Data, contract: Contract) throws -> Golden {
        let document: Document = try decoded(data, file: Artifact.goldenFile)
        guard !document.vectors.isEmpty else {
            throw ArtifactError("\(Artifact.goldenFile): vectors is empty: nothing can be checked")
        }
        let count = contract.input.shape.reduce(1, *)
        let vectors = try document.vectors.map { vector in
            guard let pixels = Data(base64Encoded: vector.pixelsBase64), pixels.count == count else {
                throw ArtifactError("\(Artifact.goldenFile): \(vector.name): pixels_base64 does not hold \(count) pixels")
            }
            guard vector.logits.count == contract.labels.count else {
                throw ArtifactError(
                    "\(Artifact.goldenFile): \(vector.name): \(vector.logits.count) logits for \(contract.labels.count) labels")
            }
            return GoldenVector(name: vector.name, pixels: Array(pixels), logits: vector.logits)
        }
        return Golden(
            contractSha256: document.contractSha256, artifactSha256: document.artifactSha256,
            reference: document.reference, maxAbsDifference: document.maxAbsDifference, vectors: vectors)
    }

    private static func difference(_ got: [Float], _ wanted: [Float]) -> Double {
        guard got.count == wanted.count else { return .infinity }
        return zip(got, wanted).map { got, wanted in
            let difference = abs(Double(got) - Double(wanted))
            return difference.isNaN ? .infinity : difference
        }.max() ?? .infinity
    }

    private struct Document: Decodable {
        struct Vector: Decodable {
            let name: String
            let pixelsBase64: String
            let logits: [Float]

            enum CodingKeys: String, CodingKey {
                case name, logits
                case pixelsBase64 = "pixels_base64"
            }
        }

        let contractSha256: String
        let artifactSha256: String
        let reference: String
        let maxAbsDifference: Double
        let vectors: [Vector]

        enum CodingKeys: String, CodingKey {
            case reference, vectors
            case contractSha256 = "contract_sha256"
            case artifactSha256 = "artifact_sha256"
            case maxAbsDifference = "max_abs_difference"
        }
    }
}
