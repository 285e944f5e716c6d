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

    /// Logits are divided by `temperature` before the softmax; a top probability below `unsureBelow` is no answer.
    public struct Confidence: Decodable, Equatable, Sendable {
        public let temperature: Double
        public let unsureBelow: Double

        public init(temperature: Double, unsureBelow: Double) {
            self.temperature = temperature
            self.unsureBelow = unsureBelow
        }

        enum CodingKeys: String, CodingKey {
            case temperature
            case unsureBelow = "unsure_below"
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
        try input.validate()
    }
}
