import Foundation

/// The artifacts that lie in a folder: in the folder itself, as `fer-deploy bundle` may leave one, or one level below.
public enum ArtifactLibrary {
    /// One of them, by what its `artifact.json` says; nothing else of it has been looked at.
    public struct Entry: Hashable, Sendable, Identifiable {
        public let folder: URL
        public let title: String
        public let sha256: String
        public var id: URL { folder }
    }

    /// Returns the artifacts in order of their titles; throws ``ArtifactError`` where there is none, or one that cannot be
    /// read. `folder` is nil where the app holds none.
    public static func entries(in folder: URL?) throws -> [Entry] {
        let below = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
        let folders = folder.map { root in [root] + below.sorted().map { root.appendingPathComponent($0) } } ?? []
        let found = folders.filter {
            FileManager.default.fileExists(atPath: $0.appendingPathComponent(Artifact.infoFile).path)
        }
        guard !found.isEmpty else {
            throw ArtifactError("no artifact in this app: run fer-deploy bundle --app ios ARTIFACT and build it again")
        }
        return try found.map(entry).sorted { $0.title < $1.title }
    }

    private static func entry(_ folder: URL) throws -> Entry {
        let info = try ArtifactInfo.decode(Artifact.read(folder, Artifact.infoFile))
        return Entry(folder: folder, title: "\(info.model), \(info.recipe)", sha256: info.sha256)
    }
}
