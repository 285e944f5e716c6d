import Foundation
import XCTest

@testable import FerDemoCore

/// The engine that the vectors' artifact stands for: logit k is pixel k divided by ten, plus `error`.
final class PixelEngine: Engine {
    let runtimeVersion = "0.0.1"
    let error: Float
    var runs = 0

    init(error: Float = 0) {
        self.error = error
    }

    func logits(_ pixels: [Float]) -> [Float] {
        runs += 1
        return pixels.prefix(3).map { $0 / 10 + error }
    }
}

final class ArtifactTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/nonexistent")

    override func setUpWithError() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    }

    override func tearDownWithError() throws {
        try? FileManager.default.removeItem(at: folder)
    }

    private func complaint(_ file: String, _ from: String, _ to: String) throws -> String {
        try? FileManager.default.removeItem(at: folder)
        try FileManager.default.copyItem(at: Vectors.artifact, to: folder)
        let url = folder.appendingPathComponent(file)
        var text = try String(contentsOf: url, encoding: .utf8)
        let place = try XCTUnwrap(text.range(of: from), "the artifact of the vectors has no \(from)")
        text.replaceSubrange(place, with: to)
        try text.write(to: url, atomically: true, encoding: .utf8)
        do {
            _ = try Artifact(folder: folder)
        } catch let error as ArtifactError {
            return error.description
        }
        XCTFail("\(from) -> \(to) in \(file) was accepted")
        return ""
    }

    func testTheArtifactThatPythonWroteIsRead() throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        XCTAssertEqual(artifact.info.contract.labels, ["neutral", "happiness", "surprise"])
        XCTAssertEqual(
            artifact.info.contract.input,
            InputSpec(
                height: 16, width: 20, colour: .rgb, resize: .bicubic, cropMargin: 0.1, mean: [120, 128, 131.5],
                std: [64, 60, 70.25]))
        XCTAssertEqual(artifact.info.contract.input.shape, [1, 3, 16, 20])
        XCTAssertEqual(artifact.info.target, "onnx")
        XCTAssertEqual(artifact.info.versions["coremltools"], "1.0.0")
        XCTAssertEqual(artifact.golden.vectors.count, 6)
        XCTAssertEqual(artifact.golden.vectors[0].pixels.count, 3 * 16 * 20)
    }

    func testWhatIsWrongWithAFolderIsSaid() throws {
        let cases = [
            ("artifact.json", "\"onnx\"", "7", "artifact.json: target is of the wrong kind"),
            ("artifact.json", "\"recipe\"", "\"reciqe\"", "artifact.json: recipe is missing"),
            ("artifact.json", "\"1.0\"", "\"2.0\"", "schema_version is 2.0; this app reads 1.x"),
            ("artifact.json", "\"bicubic\"", "\"lanczos\"", "contract.input.resize is unknown to this app"),
            ("artifact.json", "\"antialias\": true", "\"antialias\": false", "antialias is false"),
            ("artifact.json", "\"height\": 16", "\"height\": 15", "contract.input.height is not in 16..512: 15"),
            ("artifact.json", "\"width\": 20", "\"width\": 21", "[1, 3, 16, 20] is not 'pixels' float32 [1, 3, 16, 21]"),
            ("artifact.json", "\"happiness\"", "\"neutral\"", "labels must be two or more"),
            ("artifact.json", "\"crop_margin\": 0.1", "\"crop_margin\": 1.1", "crop_margin is not in 0..1"),
            ("artifact.json", "\"std\": [", "\"std\": [1,", "contract.input.std has 4 values for 3 channels"),
            ("artifact.json", "\"above\": 0.7", "\"above\": 1", "contract.confidence.no_face.above is not between 0 and 1: 1.0"),
            ("artifact.json", "\"above\": 0.7", "\"above\": 0", "no_face.above is not between 0 and 1: 0.0"),
            ("artifact.json", "\"weights\": [", "\"weights\": [1,", "no_face.weights has 4 values for 3 labels"),
            ("artifact.json", "\"bias\": 6.0,", "", "contract.confidence.no_face.bias is missing"),
            ("artifact.json", "{", "", "artifact.json is not JSON"),
            ("artifact.json", "\"file\": \"model.onnx\"", "\"file\": \"../x.onnx\"", "does not exist"),
            ("golden.json", "\"artifact_sha256\": \"", "\"artifact_sha256\": \"0", "are not of the same export"),
            ("golden.json", "\"pixels_base64\": \"", "\"pixels_base64\": \"AAAA", "does not hold 960 pixels"),
            ("golden.json", "\"logits\": [", "\"logits\": [1,", "4 logits for 3 labels"),
        ]
        for (file, from, to, wanted) in cases {
            let message = try complaint(file, from, to)
            XCTAssertTrue(message.contains(wanted), "'\(message)' does not say '\(wanted)'")
        }
    }

    func testARuleOfNumbersThatAreNotFiniteIsRefused() {
        // No JSON has them; what reads it may differ between Linux and a phone.
        for (weight, energy, bias) in [(Double.nan, 1.0, 1.0), (1, .infinity, 1), (1, 1, -.infinity)] {
            let rule = Contract.NoFace(weights: [0, weight], energy: energy, bias: bias, above: 0.5)
            XCTAssertThrowsError(try rule.validate(labels: 2)) { XCTAssertTrue("\($0)".contains("not finite")) }
        }
    }

    func testAFolderWithoutAnArtifactIsRefused() {
        XCTAssertThrowsError(try Artifact(folder: folder)) { error in
            XCTAssertTrue("\(error)".contains("is not an artifact folder: artifact.json cannot be read"), "\(error)")
        }
    }

    func testGoldenAgreesWithTheRightEngineOnly() throws {
        let golden = try Artifact(folder: Vectors.artifact).golden
        let right = try golden.check(PixelEngine())
        XCTAssertTrue(right.agrees, "\(right)")
        XCTAssertLessThan(right.worst, 1e-5)
        let wrong = try golden.check(PixelEngine(error: 0.01))
        XCTAssertFalse(wrong.agrees)
        XCTAssertEqual(wrong.worst, 0.01, accuracy: 1e-4)
        XCTAssertTrue("\(wrong)".contains("logits differ by up to 0.01"), "\(wrong)")
        XCTAssertTrue("\(wrong)".contains("beyond the allowed 0.001"), "\(wrong)")
        XCTAssertFalse(try golden.check(PixelEngine(error: .nan)).agrees)
        struct Short: Engine {
            let runtimeVersion = ""
            func logits(_ pixels: [Float]) -> [Float] { [0, 0] }
        }
        XCTAssertFalse(try golden.check(Short()).agrees)
    }
}
