/// An artifact folder that cannot be used: what is wrong, where, in one sentence.
public struct ArtifactError: Error, CustomStringConvertible, Equatable {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

public enum Colour: String, Decodable, Sendable {
    case grey, rgb
}

public enum Kernel: String, Decodable, Sendable {
    case bilinear, bicubic
}

/// How a photograph of a face becomes the network's input: crop the face box widened by `cropMargin`, convert to
/// `colour`, resize. The network normalises by `mean` and `std` itself: it is given pixels 0..255.
public struct InputSpec: Decodable, Equatable, Sendable {
    public let height: Int
    public let width: Int
    public let colour: Colour
    public let resize: Kernel
    public let antialias: Bool
    public let cropMargin: Double
    public let mean: [Double]
    public let std: [Double]

    public var channels: Int { colour == .grey ? 1 : 3 }

    /// (1, channels, height, width).
    public var shape: [Int] { [1, channels, height, width] }

    public init(
        height: Int, width: Int, colour: Colour, resize: Kernel, cropMargin: Double, mean: [Double], std: [Double]
    ) {
        self.height = height
        self.width = width
        self.colour = colour
        self.resize = resize
        self.antialias = true
        self.cropMargin = cropMargin
        self.mean = mean
        self.std = std
    }

    enum CodingKeys: String, CodingKey {
        case height, width, resize, antialias, mean, std
        case colour = "color"
        case cropMargin = "crop_margin"
    }

    func validate() throws {
        guard antialias else { throw ArtifactError("contract.input.antialias is false, and this app always antialiases") }
        for (name, side) in [("height", height), ("width", width)] where !(16...512).contains(side) {
            throw ArtifactError("contract.input.\(name) is not in 16..512: \(side)")
        }
        guard (0...1).contains(cropMargin) else {
            throw ArtifactError("contract.input.crop_margin is not in 0..1: \(cropMargin)")
        }
        for (name, values) in [("mean", mean), ("std", std)] where values.count != channels {
            throw ArtifactError("contract.input.\(name) has \(values.count) values for \(channels) channels")
        }
    }
}

/// What the model expects and what it answers.
public struct Contract: Decodable, Equatable, Sendable {
    public struct TrainedOn: Decodable, Equatable, Sendable {
        public let dataset: String
    }

    /// Tells pictures without a face by their logits, with one weight per label; see ``noFaceProbability(_:_:)``.
    public struct NoFace: Decodable, Equatable, Sendable {
        public let weights: [Double]
        public let energy: Double
        public let bias: Double
        public let above: Double

        public init(weights: [Double], energy: Double, bias: Double, above: Double) {
            self.weights = weights
            self.energy = energy
            self.bias = bias
            self.above = above
        }

        func validate(labels: Int) throws {
            guard weights.count == labels else {
                throw ArtifactError(
                    "contract.confidence.no_face.weights has \(weights.count) values for \(labels) labels")
            }
            guard (weights + [energy, bias]).allSatisfy(\.isFinite) else {
                throw ArtifactError("contract.confidence.no_face has a number that is not finite")
            }
            guard above > 0, above < 1 else {
                throw ArtifactError("contract.confidence.no_face.above is not between 0 and 1: \(above)")
            }
        }
    }

    /// Logits are divided by `temperature` before the softmax; a top probability below `unsureBelow` is no answer.
    /// Without `noFace` every picture is taken for a face.
    public struct Confidence: Decodable, Equatable, Sendable {
        public let temperature: Double
        public let unsureBelow: Double
        public let noFace: NoFace?

        public init(temperature: Double, unsureBelow: Double, noFace: NoFace? = nil) {
            self.temperature = temperature
            self.unsureBelow = unsureBelow
            self.noFace = noFace
        }

        enum CodingKeys: String, CodingKey {
            case temperature
            case unsureBelow = "unsure_below"
            case noFace = "no_face"
        }

        /// Whether a picture is taken for a face when `probability` is that it shows none; nil where nothing tells.
        public func isFace(_ probability: Double?) -> Bool {
            guard let noFace, let probability else { return true }
            return probability <= noFace.above
        }
    }

    public let labels: [String]
    public let input: InputSpec
    public let trainedOn: TrainedOn
    private let stated: Confidence?

    /// The one that the contract states, or the plain softmax and an answer for every face.
    public var confidence: Confidence { stated ?? Confidence(temperature: 1, unsureBelow: 0) }

    enum CodingKeys: String, CodingKey {
        case labels, input
        case trainedOn = "trained_on"
        case stated = "confidence"
    }

    func validate() throws {
        let blank = labels.contains { $0.allSatisfy(\.isWhitespace) }
        guard labels.count >= 2, Set(labels).count == labels.count, !blank else {
            throw ArtifactError("contract.labels must be two or more, not empty and all different: \(labels)")
        }
        guard confidence.temperature > 0 else {
            throw ArtifactError("contract.confidence.temperature is not above zero: \(confidence.temperature)")
        }
        guard (0..<1).contains(confidence.unsureBelow) else {
            throw ArtifactError("contract.confidence.unsure_below is not from 0 to below 1: \(confidence.unsureBelow)")
        }
        try confidence.noFace?.validate(labels: labels.count)
        try input.validate()
    }
}
