import Foundation
import XCTest

@testable import FerDemoCore

/// What the app keeps and finds in folders.
final class FilesTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/nonexistent")
    private let files = FileManager.default

    override func setUpWithError() throws {
        folder = files.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws {
        try? files.removeItem(at: folder)
    }

    private func write(_ path: String, _ text: String) throws {
        let url = folder.appendingPathComponent(path)
        try files.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func testDigestsAreThoseOfTheStandard() {
        XCTAssertEqual(Sha256.hex(Data()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        XCTAssertEqual(
            Sha256.hex(Data("abc".utf8)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let million = Data(repeating: UInt8(ascii: "a"), count: 1_000_000)
        XCTAssertEqual(
            Sha256.hex(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        for length in 54...66 {  // Around the end of a block, where the padding takes one more.
            XCTAssertEqual(Sha256.hex(Data(repeating: 7, count: length)).count, 64)
        }
    }

    func testAFolderHasTheDigestThatPythonGivesIt() throws {
        // fer_deploy.files.sha256_of of the same files; "a/b" goes before "a.x", as paths are ordered part by part.
        for (path, text) in [("a.x", "1"), ("a/b", "22"), ("a/.hidden", "333"), ("B", ""), ("z/y/x", "é")] {
            try write("package/\(path)", text)
        }
        try files.createDirectory(
            at: folder.appendingPathComponent("package/empty"), withIntermediateDirectories: true)
        XCTAssertEqual(
            try Sha256.hex(at: folder.appendingPathComponent("package")), "2d4f49a1ba18c415eb1b57e566dc0e31f3fb7b8dd81c17876aa1e794c5eb9961")
    }

    func testAnArtifactIsVerifiedByItsModelFile() throws {
        XCTAssertNoThrow(try Artifact(folder: Vectors.artifact).verify())
        let copy = folder.appendingPathComponent("copy")
        try files.copyItem(at: Vectors.artifact, to: copy)
        try Data("another".utf8).write(to: copy.appendingPathComponent("model.onnx"))
        XCTAssertThrowsError(try Artifact(folder: copy).verify()) {
            XCTAssertEqual(
                "\($0)", "model file model.onnx is damaged: its sha256 is not the one in artifact.json")
        }
    }

    func testArtifactsAreFoundInTheFolderAndOneLevelBelow() throws {
        let library = folder.appendingPathComponent("Artifact")
        for nothing in [nil, library] {
            XCTAssertThrowsError(try ArtifactLibrary.entries(in: nothing)) {
                XCTAssertTrue("\($0)".contains("no artifact in this app: run fer-deploy bundle"), "\($0)")
            }
        }
        try write("Artifact/README.md", "what belongs here")
        XCTAssertThrowsError(try ArtifactLibrary.entries(in: library))
        try files.copyItem(at: Vectors.artifact, to: library.appendingPathComponent("one"))
        XCTAssertEqual(try ArtifactLibrary.entries(in: library).map(\.title), ["stand_in, float"])
        for name in ["artifact.json", "golden.json", "model.onnx"] {
            try files.copyItem(
                at: Vectors.artifact.appendingPathComponent(name), to: library.appendingPathComponent(name))
        }
        let both = try ArtifactLibrary.entries(in: library)
        XCTAssertEqual(Set(both.map(\.folder.lastPathComponent)), ["Artifact", "one"])
        XCTAssertEqual(both[0].sha256, try Artifact(folder: Vectors.artifact).info.sha256)
    }

    // MARK: compiled models

    private var cache: URL { folder.appendingPathComponent("Caches/compiled") }

    private func models(_ system: String = "iOS 17.5 (21F79)") -> CompiledModels {
        CompiledModels(folder: cache, system: system)
    }

    private var kept: [String] { ((try? files.contentsOfDirectory(atPath: cache.path)) ?? []).sorted() }

    /// Compiles into a temporary folder, as Core ML does.
    private func compiled(_ text: String) throws -> URL {
        let made = folder.appendingPathComponent("tmp-\(UUID().uuidString).mlmodelc")
        try files.createDirectory(at: made, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: made.appendingPathComponent("weights"))
        return made
    }

    private func content(_ model: URL) throws -> String {
        try String(contentsOf: model.appendingPathComponent("weights"), encoding: .utf8)
    }

    private func load(
        _ artifact: Artifact, _ system: String = "iOS 17.5 (21F79)", _ compile: (URL) throws -> URL
    ) async throws -> String {
        try await models(system).load(artifact, compile: { try compile($0) }, load: content)
    }

    func testAModelIsCompiledOnceForADigestAndASystem() async throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        let first = try await load(artifact) {
            XCTAssertEqual($0, artifact.modelFile)
            return try compiled("first")
        }
        XCTAssertEqual(first, "first")
        XCTAssertEqual(kept, ["\(artifact.info.sha256)-iOS-17.5--21F79-.mlmodelc"])
        let again = try await load(artifact) { _ in throw ArtifactError("compiled twice") }
        XCTAssertEqual(again, "first")
        let updated = try await load(artifact, "iOS 18") { _ in try compiled("later") }
        XCTAssertEqual(updated, "later")
        XCTAssertEqual(try files.contentsOfDirectory(atPath: folder.path), ["Caches"], "something temporary stays")
    }

    func testAKeptModelThatDoesNotLoadIsCompiledOnceMore() async throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        _ = try await load(artifact) { _ in try compiled("whole") }
        let model = cache.appendingPathComponent(kept[0])
        try files.removeItem(at: model.appendingPathComponent("weights"))
        let mended = try await load(artifact) { _ in try compiled("mended") }
        XCTAssertEqual(mended, "mended")
    }

    func testACompilationOrALoadThatFailsIsNotTriedAgainAndLeavesNothingHalf() async throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        var tries = 0
        for spoilt in [true, false] {
            do {
                _ = try await load(artifact) { _ in
                    tries += 1
                    if spoilt { throw ArtifactError("no") }
                    return try compiled("unreadable").appendingPathComponent("weights")
                }
                XCTFail("the error is lost")
            } catch {}
        }
        XCTAssertEqual(tries, 2)
        XCTAssertEqual(kept.filter { $0.hasSuffix(".partial") }, [])
    }

    func testWhatIsOfNoArtifactOrHalfWrittenIsRemoved() async throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        _ = try await load(artifact) { _ in try compiled("kept") }
        let model = kept
        try write("Caches/compiled/\(UUID().uuidString).partial/weights", "half")
        try write("Caches/compiled/0123-iOS-17.5--21F79-.mlmodelc/weights", "old")
        models().keepOnly([artifact.info.sha256, "of an artifact that was not compiled yet"])
        XCTAssertEqual(kept, model)
        models().keepOnly([])
        XCTAssertEqual(kept, [])
    }
}
