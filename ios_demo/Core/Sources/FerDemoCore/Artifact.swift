import Foundation

/// `artifact.json`: what the app needs to run the model file.
public struct ArtifactInfo: Decodable, Equatable, Sendable {
    struct Tensor: Decodable, Equatable, Sendable {
        let name: String
        let dtype: String
        let shape: [Int]
    }

    let schemaVersion: String
    public let model: String
    public let target: String
    public let recipe: String
    public let runtime: String
    public let file: String
    public let sha256: String
    public let weightsSha256: String
    public let contractSha256: String
    public let contract: Contract
    let input: Tensor
    let output: Tensor
    public let versions: [String: String]

    enum CodingKeys: String, CodingKey {
        case model, target, recipe, runtime, file, sha256, contract, input, output, versions
        case schemaVersion = "schema_version"
        case weightsSha256 = "weights_sha256"
        case contractSha256 = "contract_sha256"
    }

    /// `target-recipe`, as fer-deploy names an artifact.
    public var key: String { "\(target)-\(recipe)" }

    /// Decodes the content of an `artifact.json`.
    public static func decode(_ data: Data) throws -> ArtifactInfo {
        let info: ArtifactInfo = try decoded(data, file: Artifact.infoFile)
        guard info.schemaVersion.split(separator: ".").first == "1" else {
            throw ArtifactError("\(Artifact.infoFile): schema_version is \(info.schemaVersion); this app reads 1.x")
        }
        try info.contract.validate()
        try info.input.require("pixels", shape: info.contract.input.shape)
        try info.output.require("logits", shape: [1, info.contract.labels.count])
        return info
    }
}

extension ArtifactInfo.Tensor {
    fileprivate func require(_ wantedName: String, shape wantedShape: [Int]) throws {
        guard name == wantedName, dtype == "float32", shape == wantedShape else {
            throw ArtifactError(
                "\(Artifact.infoFile): tensor '\(name)' \(dtype) \(shape) is not '\(wantedName)' float32 \(wantedShape)")
        }
    }
}

/// An artifact folder whose parts fit together; nothing else tells the app about the model.
///
/// Reading every byte of the model takes a moment: ``verify()`` does it, ``init(folder:)`` does not.
public struct Artifact: Sendable {
    public static let infoFile = "artifact.json"
    public static let goldenFile = "golden.json"

    public let folder: URL
    public let info: ArtifactInfo
    public let golden: Golden

    public var modelFile: URL { folder.appendingPathComponent(info.file) }

    /// Opens the artifact in `folder`; throws ``ArtifactError`` when a file is missing, malformed or of another export.
    public init(folder: URL) throws {
        self.folder = folder
        info = try ArtifactInfo.decode(Self.read(folder, Self.infoFile))
        golden = try Golden.decode(Self.read(folder, Self.goldenFile), contract: info.contract)
        let exists = FileManager.default.fileExists(atPath: folder.appendingPathComponent(info.file).path)
        guard !info.file.contains("/"), exists else {
            throw ArtifactError("model file \(info.file) does not exist in \(folder.path); \(Self.infoFile) names it")
        }
        guard golden.artifactSha256 == info.sha256, golden.contractSha256 == info.contractSha256 else {
            throw ArtifactError("\(Self.goldenFile) and \(Self.infoFile) in \(folder.path) are not of the same export")
        }
    }

    /// Throws ``ArtifactError`` when the model file is not the one that `artifact.json` describes.
    public func verify() throws {
        let found: String
        do {
            found = try Sha256.hex(at: modelFile)
        } catch {
            throw ArtifactError("model file \(info.file) cannot be read: \(error.localizedDescription)")
        }
        guard found == info.sha256 else {
            throw ArtifactError("model file \(info.file) is damaged: its sha256 is not the one in \(Self.infoFile)")
        }
    }

    static func read(_ folder: URL, _ name: String) throws -> Data {
        do {
            return try Data(contentsOf: folder.appendingPathComponent(name))
        } catch {
            throw ArtifactError("\(folder.path) is not an artifact folder: \(name) cannot be read")
        }
    }
}

/// Decodes JSON; throws ``ArtifactError`` naming the file and the member that is missing or of the wrong kind.
func decoded<Value: Decodable>(_ data: Data, file: String) throws -> Value {
    func place(_ path: [CodingKey], _ last: CodingKey? = nil) -> String {
        let keys = (path + (last.map { [$0] } ?? [])).map { $0.intValue.map(String.init) ?? $0.stringValue }
        return keys.isEmpty ? "the document" : keys.joined(separator: ".")
    }
    do {
        return try JSONDecoder().decode(Value.self, from: data)
    } catch DecodingError.keyNotFound(let key, let context) {
        throw ArtifactError("\(file): \(place(context.codingPath, key)) is missing")
    } catch DecodingError.typeMismatch(_, let context) {
        throw ArtifactError("\(file): \(place(context.codingPath)) is of the wrong kind")
    } catch DecodingError.valueNotFound(_, let context) {
        throw ArtifactError("\(file): \(place(context.codingPath)) is null")
    } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
        throw ArtifactError("\(file): \(place(context.codingPath)) is unknown to this app")
    } catch {
        throw ArtifactError("\(file) is not JSON")
    }
}
