import CoreML
import FerDemoCore
import Foundation

/// Core ML on the compute units that are asked for; which of them it really uses is its own decision.
final class CoreMLEngine: Engine {
    let runtimeVersion: String
    private let model: MLModel
    private let shape: [NSNumber]

    /// Compiles the artifact's package on the phone, so that replacing the folder replaces the model.
    static func compile(_ artifact: Artifact) async throws -> URL {
        guard artifact.info.target == "coreml" else {
            throw ArtifactError("this app runs coreml artifacts, not \(artifact.info.target)")
        }
        return try await MLModel.compileModel(at: artifact.modelFile)
    }

    /// Loads what ``compile(_:)`` gave.
    init(_ compiled: URL, _ artifact: Artifact, units: MLComputeUnits) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        shape = artifact.info.contract.input.shape.map { NSNumber(value: $0) }
        runtimeVersion = ProcessInfo.processInfo.operatingSystemVersionString
    }

    func logits(_ pixels: [Float]) throws -> [Float] {
        let input = try MLMultiArray(shape: shape, dataType: .float32)
        input.withUnsafeMutableBytes { buffer, _ in
            pixels.withUnsafeBytes { buffer.copyMemory(from: $0) }
        }
        let features = try MLDictionaryFeatureProvider(dictionary: ["pixels": MLFeatureValue(multiArray: input)])
        guard let logits = try model.prediction(from: features).featureValue(for: "logits")?.multiArrayValue else {
            throw ArtifactError("the model has no output 'logits'")
        }
        return (0..<logits.count).map { logits[$0].floatValue }
    }
}
