import Foundation

/// Models that were compiled on this phone, kept from one start to the next in `folder`.
///
/// A compiled model is named after the digest of its package and the system that compiled it. It is made elsewhere and
/// moved here whole, so that one that was interrupted is never found.
public struct CompiledModels: Sendable {
    private static let compiled = "mlmodelc"
    private let folder: URL
    private let system: String

    /// `system` says which system compiles, so that an update compiles anew.
    public init(folder: URL, system: String) {
        self.folder = folder
        self.system = String(system.map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" })
    }

    /// Returns what `load` makes of the compiled model of `artifact`, which `compile` makes of its package, in some
    /// temporary place, where it is not here yet. One that was kept and does not load is made once more.
    public func load<Model>(
        _ artifact: Artifact, compile: (URL) async throws -> URL, load: (URL) throws -> Model
    ) async throws -> Model {
        let kept = place(artifact.info.sha256)
        if FileManager.default.fileExists(atPath: kept.path) {
            if let model = try? load(kept) { return model }
            try FileManager.default.removeItem(at: kept)
        }
        return try load(try await model(of: artifact, compile))
    }

    private func model(of artifact: Artifact, _ compile: (URL) async throws -> URL) async throws -> URL {
        let goal = place(artifact.info.sha256)
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = try await compile(artifact.modelFile)
        defer { try? files.removeItem(at: made) }
        // In two steps: between volumes a move is a copy, and only a rename is done at once.
        let partial = folder.appendingPathComponent("\(UUID().uuidString).partial")
        defer { try? files.removeItem(at: partial) }
        try files.moveItem(at: made, to: partial)
        do {
            try files.moveItem(at: partial, to: goal)
        } catch _ where files.fileExists(atPath: goal.path) {
            // Another one was faster; they are the same.
        }
        return goal
    }

    /// Removes what is of no artifact whose digest is in `digests`, of another system, or was left half-written.
    public func keepOnly(_ digests: [String]) {
        let wanted = Set(digests.map { place($0).lastPathComponent })
        let found = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        for name in found where !wanted.contains(name) {
            try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
        }
    }

    private func place(_ digest: String) -> URL {
        folder.appendingPathComponent("\(digest)-\(system).\(Self.compiled)", isDirectory: true)
    }
}
