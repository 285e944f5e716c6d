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
        return try await models.load(artifact) {
            try await MLModel.compileModel(at: $0)
        } load: {
            try CoreMLEngine($0, artifact, units: units)
        }
    }
}

/// A classifier that the camera's queue is the only one to use, once pictures come.
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
