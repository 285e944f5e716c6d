import Foundation

@testable import FerDemoCore

/// The vectors that Python, Kotlin and Swift are tested with: `tests/apps/vectors` of the repository.
enum Vectors {
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["FER_VECTORS"] { return URL(fileURLWithPath: path) }
        let repository = (0..<5).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        return repository.appendingPathComponent("tests/apps/vectors")
    }()

    static let artifact = folder.appendingPathComponent("artifact")

    /// The vector file; FER_VECTOR_FILE names another one of the same kind.
    static func document() throws -> Document {
        let other = ProcessInfo.processInfo.environment["FER_VECTOR_FILE"].map { URL(fileURLWithPath: $0) }
        let file = other ?? folder.appendingPathComponent("preprocessing.json")
        return try JSONDecoder().decode(Document.self, from: Data(contentsOf: file))
    }

    struct Document: Decodable {
        let vectors: [Vector]
        let widened: [Widening]
        let answers: [Answered]
        let quantiles: [Quantiles]
    }

    struct Vector: Decodable {
        let pattern: String
        let seed: UInt32
        let width: Int
        let height: Int
        let source: String
        let clockwise_quarter_turns: Int
        let box: [Int]?
        let color: Colour
        let resize: Kernel
        let crop_margin: Double
        let out_width: Int
        let out_height: Int
        let pixels_base64: String
    }

    struct Widening: Decodable {
        let box: [Int]
        let margin: Double
        let widened: [Int]
    }

    struct Answered: Decodable {
        let logits: [Float]
        let temperature: Double
        let unsure_below: Double
        let no_face: Contract.NoFace?
        let probabilities: [Double]
        let no_face_probability: Double?
        let answer: Int?
        let why: String?
    }

    struct Quantiles: Decodable {
        let samples: [Double]
        let p50: Double
        let p90: Double
        let p95: Double
        let p99: Double
    }

    static func box(_ edges: [Int]) -> Box? { Box(left: edges[0], top: edges[1], right: edges[2], bottom: edges[3]) }

    /// The picture of a vector; `tests/apps/make_vectors.py` documents the formula.
    static func picture(_ vector: Vector) -> RgbImage {
        let channels = vector.source == "grey" ? 1 : 3
        var state = vector.seed
        var bytes: [UInt8] = []
        for y in 0..<vector.height {
            for x in 0..<vector.width {
                var value: UInt8 = 0
                for channel in 0..<3 {
                    if channel < channels {
                        if vector.pattern == "waves" {
                            value = UInt8((7 * x + 13 * y + 85 * channel + Int(vector.seed)) % 256)
                        } else {
                            state ^= state << 13
                            state ^= state >> 17
                            state ^= state << 5
                            value = UInt8(state >> 24)
                            if vector.pattern == "extremes" { value = value >= 128 ? 255 : 0 }
                        }
                    }
                    bytes.append(value)
                }
            }
        }
        return RgbImage(width: vector.width, height: vector.height, bytes: bytes)
    }
}
