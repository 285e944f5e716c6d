import CoreML
import FerDemoCore
import Foundation

/// Core ML on the compute units that are asked for; which of them it really uses is its own decision.
final class CoreMLEngine: Engine {
    let runtimeVersion = "Core ML of \(Phone.device.system) in the iOS demo"
    private let model: MLModel
    private let shape: [NSNumber]

    /// Throws ``ArtifactError`` for an artifact of another runtime.
    static func require(_ artifact: Artifact) throws {
        guard artifact.info.target == "coreml" else {
            throw ArtifactError("this app runs coreml artifacts, not \(artifact.info.target)")
        }
    }

    /// Loads `compiled`, which `MLModel.compileModel` made of the artifact's package on this phone.
    init(_ compiled: URL, _ artifact: Artifact, units: ComputeUnits) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units.coreML
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        shape = artifact.info.contract.input.shape.map { NSNumber(value: $0) }
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

extension ComputeUnits {
    fileprivate var coreML: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        case .cpuAndGPU: .cpuAndGPU
        case .cpuOnly: .cpuOnly
        }
    }
}
