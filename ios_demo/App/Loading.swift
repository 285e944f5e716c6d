import CoreML
import FerDemoCore
import Foundation

/// From an artifact folder to a model that has checked itself. Takes seconds the first time, when the Neural Engine's
/// program is made: all of it runs off the main actor, which the functions' being `async` and of no actor sees to.
enum Loading {
    /// The folder inside the app that `fer-deploy bundle --app ios` fills.
    static var bundled: URL? { Bundle.main.url(forResource: "Artifact", withExtension: nil) }

    /// Returns the artifacts in the app, and removes from the cache what belongs to none of them.
    static func artifacts() async throws -> [ArtifactLibrary.Entry] {
        let entries = try ArtifactLibrary.entries(in: bundled)
        models.keepOnly(entries.map(\.sha256))
        return entries
    }

    static func artifact(_ entry: ArtifactLibrary.Entry) async throws -> Artifact {
        let artifact = try Artifact(folder: entry.folder)
        try artifact.verify()
        return artifact
    }

    static func classifier(_ artifact: Artifact, _ units: ComputeUnits) async throws -> CameraClassifier {
        let engine = try await engine(artifact, units)
        return CameraClassifier(try LiveClassifier(artifact, engine, runsOn: units.runsOn(artifact)))
    }

    private static var models: CompiledModels {
        let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask)[0]
        return CompiledModels(
            folder: caches.appendingPathComponent("compiled-models"), system: Phone.device.system)
    }

    private static func engine(_ artifact: Artifact, _ units: ComputeUnits) async throws -> CoreMLEngine {
        try CoreMLEngine.require(artifact)
        func load() async throws -> CoreMLEngine {
            let compiled = try await models.model(of: artifact) { try await MLModel.compileModel(at: $0) }
            return try CoreMLEngine(compiled, artifact, units: units)
        }
        do {
            return try await load()
        } catch {
            // What was kept may have been damaged since: once more, compiled anew.
            models.forget(artifact)
            return try await load()
        }
    }
}

/// A classifier for the camera's queue, which is the only one to use it once it is made.
final class CameraClassifier: @unchecked Sendable {
    private let classifier: LiveClassifier

    /// `classifier` must be used nowhere else.
    init(_ classifier: LiveClassifier) {
        self.classifier = classifier
    }

    var agrees: Bool { classifier.verdict.agrees }

    /// What to show; `seen` is nil before the first picture.
    func state(_ seen: Seen?) -> ScreenState {
        do {
            return try classifier.state(seen, time: ProcessInfo.processInfo.systemUptime)
        } catch {
            return LiveClassifier.failed("\(error)")
        }
    }
}
