import Foundation
import XCTest

@testable import FerDemoCore

final class LiveClassifierTests: XCTestCase {
    private let image = RgbImage(width: 60, height: 60, bytes: (0..<10800).map { UInt8(truncatingIfNeeded: $0 * 7) })

    private let dark = RgbImage(width: 60, height: 60, bytes: Array(repeating: 0, count: 10800))
    private let box = Box(left: 10, top: 20, right: 40, bottom: 50)

    func testAFaceGivesTheSoftmaxOfItsPixelsLogits() throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        let state = try LiveClassifier(artifact, PixelEngine()).state(Seen(picture: image, face: box), time: 1)
        let pixels = FacePixels.of(image, artifact.info.contract.input, box: box)
        let confidence = artifact.info.contract.confidence
        let rule = Contract.NoFace(weights: [0.02, -0.01, 0.03], energy: -1.5, bias: 6, above: 0.7)
        XCTAssertEqual(confidence, Contract.Confidence(temperature: 0.8, unsureBelow: 0.6, noFace: rule))
        let logits = PixelEngine().logits(FacePixels.floats(pixels))
        XCTAssertEqual(state.probabilities, softmax(logits, temperature: confidence.temperature))
        let said = try answer(XCTUnwrap(state.probabilities), noFace: noFaceProbability(logits, rule), confidence)
        XCTAssertEqual(state.answer, said)
        XCTAssertNotEqual(state.answer, .noFace)
        XCTAssertEqual(state.face, [1.0 / 6, 1.0 / 3, 2.0 / 3, 5.0 / 6])
        XCTAssertEqual(state.history.count, 1)
        XCTAssertEqual(state.inferenceMs.count, 1)
        XCTAssertEqual(state.verdict?.agrees, true)
        XCTAssertEqual(state.trainedOn, "none: made for tests")
        XCTAssertEqual(state.title, "stand_in, float, on ONNX Runtime CPU")
        let onCpu = ComputeUnits.cpuOnly.runsOn(artifact)
        XCTAssertEqual(
            try LiveClassifier(artifact, PixelEngine(), runsOn: onCpu).state(nil, time: 1).title,
            "stand_in, float, on ONNX Runtime CPU, CPU only")
    }

    func testWithoutAFaceThereAreNoProbabilitiesAndHistoryRunsOut() throws {
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), PixelEngine())
        _ = try classifier.state(Seen(picture: image, face: box), time: 1)
        XCTAssertEqual(try classifier.state(Seen(picture: image, face: nil), time: 2).history.count, 1)
        let later = try classifier.state(Seen(picture: image, face: nil), time: 12)
        XCTAssertNil(later.probabilities)
        XCTAssertNil(later.answer)
        XCTAssertNil(later.face)
        XCTAssertEqual(later.history, [])
    }

    func testWhatIsNoFaceIsSaidAtOnceWhereNoFaceWasBefore() throws {
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), PixelEngine())
        let state = try classifier.state(Seen(picture: dark, face: box), time: 1)
        XCTAssertEqual(state.answer, .noFace)
        XCTAssertNil(state.probabilities)
        XCTAssertEqual(state.history, [])
        XCTAssertNotNil(state.face)
    }

    func testAFaceThatTurnsIntoNoneIsHeldForAMomentAndHistoryKeepsNoPointOfIt() throws {
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), PixelEngine())
        _ = try classifier.state(Seen(picture: image, face: box), time: 1)
        let doubt = try classifier.state(Seen(picture: dark, face: box), time: 1.1)  // One frame is not enough.
        XCTAssertNotEqual(doubt.answer, .noFace)
        let held = try classifier.state(Seen(picture: dark, face: box), time: 1.6)
        XCTAssertEqual(held.answer, .noFace)
        XCTAssertEqual(held.probabilities, doubt.probabilities)
        XCTAssertEqual(held.history.count, 2)
        let forgotten = try classifier.state(Seen(picture: dark, face: box), time: 2.2)
        XCTAssertEqual(forgotten.answer, .noFace)
        XCTAssertNil(forgotten.probabilities)
        XCTAssertEqual(forgotten.history.count, 2)
        let back = try classifier.state(Seen(picture: image, face: box), time: 4)
        XCTAssertNotEqual(back.answer, .noFace)
        XCTAssertEqual(back.history.count, 3)
    }

    func testWithoutARuleEveryPictureIsTakenForAFace() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: Vectors.artifact, to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("artifact.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        let changed = text.replacingOccurrences(of: "\"no_face\"", with: "\"of a later version\"")
        try changed.write(to: file, atomically: true, encoding: .utf8)
        let plain = try Artifact(folder: folder)
        XCTAssertNil(plain.info.contract.confidence.noFace)
        let state = try LiveClassifier(plain, PixelEngine()).state(Seen(picture: dark, face: box), time: 1)
        XCTAssertEqual(state.answer, .unsure)  // Black is a third of each label.
        XCTAssertEqual(state.history.count, 1)
    }

    func testTheMiddleSquareIsCutOutAndTheFaceMovesWithIt() throws {
        let wide = RgbImage(width: 4, height: 2, bytes: (0..<24).map { UInt8($0) })
        let seen = Seen(middleOf: wide, face: Box(left: 2, top: 0, right: 4, bottom: 1))
        XCTAssertEqual(seen.picture.bytes, [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20])
        XCTAssertEqual(seen.face, Box(left: 1, top: 0, right: 3, bottom: 1))
        XCTAssertNil(Seen(middleOf: wide, face: nil).face)
        XCTAssertEqual(Seen(middleOf: wide, face: nil, arrived: 8).arrived, 8)
    }

    func testADeviceThatDisagreesClassifiesNothing() throws {
        let engine = PixelEngine(error: 1)
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), engine)
        let runs = engine.runs
        XCTAssertNil(try classifier.state(Seen(picture: image, face: box), time: 1).probabilities)
        XCTAssertEqual(engine.runs, runs)
    }

    func testLogitsThatAreNoNumbersAreSkippedAndDoNotStick() throws {
        let engine = FickleEngine()
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), engine)
        let before = try classifier.state(Seen(picture: image, face: box), time: 1)
        for (frame, bad) in [Float.nan, .infinity, -.infinity].enumerated() {
            engine.spoilt = bad
            let state = try classifier.state(Seen(picture: image, face: box), time: 1.1 + 0.1 * Double(frame))
            XCTAssertEqual(state.answer, .noNumbers)
            XCTAssertEqual(state.answer?.why, "no numbers")
            XCTAssertEqual(state.probabilities, before.probabilities)
            XCTAssertEqual(state.history.count, 1)
        }
        let long = try classifier.state(Seen(picture: image, face: box), time: 3)
        XCTAssertNil(long.probabilities)
        engine.spoilt = nil
        let after = try classifier.state(Seen(picture: image, face: box), time: 3.1)
        XCTAssertEqual(after.probabilities, before.probabilities)
        XCTAssertEqual(after.answer, before.answer)
        XCTAssertEqual(after.history.count, 2)
    }

    func testFramesAreCountedAndTimedFromTheirArrivalWhetherThereIsAFaceOrNot() throws {
        var now: UInt64 = 5_000_000_000
        let classifier = try LiveClassifier(
            Artifact(folder: Vectors.artifact), PixelEngine(), nanoseconds: { now })
        for frame in 0..<4 {
            now += 40_000_000  // 25 a second
            let seen = Seen(picture: image, face: frame % 2 == 0 ? box : nil, arrived: now - 7_000_000)
            let state = try classifier.state(seen, time: Double(now) / 1e9)
            XCTAssertEqual(state.framesPerSecond, frame == 0 ? nil : 25)
            XCTAssertEqual(state.frameMs, 7)
        }
        now += 3_000_000_000
        let paused = try classifier.state(Seen(picture: image, face: box, arrived: now - 9_000_000), time: 9)
        XCTAssertNil(paused.framesPerSecond)
        XCTAssertEqual(paused.frameMs, 9)
    }
}

/// Right, but for frames on which its first logit is what `spoilt` says.
private final class FickleEngine: Engine {
    let runtimeVersion = "0.0.1"
    var spoilt: Float?

    func logits(_ pixels: [Float]) -> [Float] {
        let right = pixels.prefix(3).map { $0 / 10 }
        return spoilt.map { [$0] + right.dropFirst() } ?? right
    }
}
