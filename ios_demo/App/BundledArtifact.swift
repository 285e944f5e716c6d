import FerDemoCore
import Foundation

/// The artifact folder inside the app, put there by `fer-deploy bundle --app ios`.
enum BundledArtifact {
    static func open() throws -> Artifact {
        guard let folder = Bundle.main.url(forResource: "Artifact", withExtension: nil) else {
            throw ArtifactError("no artifact in this app: run fer-deploy bundle --app ios ARTIFACT and rebuild")
        }
        return try Artifact(folder: folder)
    }
}
