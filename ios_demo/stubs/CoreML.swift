@_exported import Foundation

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

public final class MLModelConfiguration: NSObject {
    public var computeUnits: MLComputeUnits = .all
}

public enum MLMultiArrayDataType: Int, Sendable {
    case double, float32, int32
}

public final class MLMultiArray: NSObject {
    fileprivate var values: [Float]
    public init(shape: [NSNumber], dataType: MLMultiArrayDataType) throws {
        values = Array(repeating: 0, count: shape.reduce(1) { $0 * $1.intValue })
    }
    fileprivate init(_ values: [Float]) { self.values = values }
    public var count: Int { values.count }
    public subscript(_ index: Int) -> NSNumber { NSNumber(value: values[index]) }
    public func withUnsafeMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer, [Int]) throws -> R
    ) rethrows -> R { try values.withUnsafeMutableBytes { try body($0, []) } }
}

public final class MLFeatureValue: NSObject {
    public let multiArrayValue: MLMultiArray?
    public init(multiArray: MLMultiArray) { multiArrayValue = multiArray }
}

public protocol MLFeatureProvider {
    func featureValue(for featureName: String) -> MLFeatureValue?
}

public final class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    private let values: [String: Any]
    public init(dictionary: [String: Any]) throws { values = dictionary }
    public func featureValue(for featureName: String) -> MLFeatureValue? { values[featureName] as? MLFeatureValue }
}

public final class MLModel: NSObject {
    private let units: MLComputeUnits
    public init(contentsOf url: URL, configuration: MLModelConfiguration) throws {
        let seconds = PlayedModel.seconds
        PlayedModel.note("load \(configuration.computeUnits)")
        Thread.sleep(forTimeInterval: seconds)
        guard FileManager.default.fileExists(atPath: url.appendingPathComponent("weights").path) else {
            throw CocoaError(.fileReadCorruptFile)
        }
        units = configuration.computeUnits
    }
    public class func compileModel(at modelURL: URL) async throws -> URL {
        PlayedModel.note("compile")
        try await Task.sleep(nanoseconds: UInt64(1e9 * PlayedModel.seconds))
        let made = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).mlmodelc")
        try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
        try Data([1]).write(to: made.appendingPathComponent("weights"))
        return made
    }
    /// The engine that the tests' artifact stands for: logit k is pixel k divided by ten.
    public func prediction(from input: MLFeatureProvider) throws -> MLFeatureProvider {
        let error = PlayedModel.errors[units] ?? 0
        let logits = input.featureValue(for: "pixels")!.multiArrayValue!.values.prefix(3).map { $0 / 10 + error }
        return try MLDictionaryFeatureProvider(
            dictionary: ["logits": MLFeatureValue(multiArray: MLMultiArray(logits))])
    }
}

/// What the pretended Core ML does and was asked, for ../play.
public enum PlayedModel {
    /// How long it takes to compile and to load.
    nonisolated(unsafe) public static var seconds = 0.0
    /// How far its logits are off.
    nonisolated(unsafe) public static var errors: [MLComputeUnits: Float] = [:]
    nonisolated(unsafe) public static var calls: [String] = []

    static func note(_ call: String) { calls.append(Thread.isMainThread ? "\(call) on the main thread" : call) }
}
