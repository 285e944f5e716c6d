import XCTest

@testable import FerDemoCore

final class LiveClassifierTests: XCTestCase {
    private let image = RgbImage(width: 60, height: 60, bytes: (0..<10800).map { UInt8(truncatingIfNeeded: $0 * 7) })

    func testAFaceGivesTheSoftmaxOfItsPixelsLogits() throws {
        let artifact = try Artifact(folder: Vectors.artifact)
        let box = try XCTUnwrap(Box(left: 10, top: 20, right: 40, bottom: 50))
        let state = try LiveClassifier(artifact, PixelEngine()).state(Seen(picture: image, face: box), time: 1)
        let pixels = FacePixels.of(image, artifact.info.contract.input, box: box)
        let confidence = artifact.info.contract.confidence
        XCTAssertEqual(confidence, Contract.Confidence(temperature: 0.8, unsureBelow: 0.6))
        let logits = PixelEngine().logits(FacePixels.floats(pixels))
        XCTAssertEqual(state.probabilities, softmax(logits, temperature: confidence.temperature))
        XCTAssertEqual(state.unsureBelow, confidence.unsureBelow)
        XCTAssertEqual(state.face, [1.0 / 6, 1.0 / 3, 2.0 / 3, 5.0 / 6])
        XCTAssertEqual(state.history.count, 1)
        XCTAssertEqual(state.inferenceMs.count, 1)
        XCTAssertEqual(state.verdict?.agrees, true)
        XCTAssertEqual(state.trainedOn, "none: made for tests")
    }

    func testWithoutAFaceThereAreNoProbabilitiesAndHistoryRunsOut() throws {
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), PixelEngine())
        let box = Box(left: 10, top: 20, right: 40, bottom: 50)
        _ = try classifier.state(Seen(picture: image, face: box), time: 1)
        XCTAssertEqual(try classifier.state(Seen(picture: image, face: nil), time: 2).history.count, 1)
        let later = try classifier.state(Seen(picture: image, face: nil), time: 12)
        XCTAssertNil(later.probabilities)
        XCTAssertNil(later.face)
        XCTAssertEqual(later.history, [])
    }

    func testTheMiddleSquareIsCutOutAndTheFaceMovesWithIt() throws {
        let wide = RgbImage(width: 4, height: 2, bytes: (0..<24).map { UInt8($0) })
        let seen = Seen(middleOf: wide, face: Box(left: 2, top: 0, right: 4, bottom: 1))
        XCTAssertEqual(seen.picture.bytes, [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20])
        XCTAssertEqual(seen.face, Box(left: 1, top: 0, right: 3, bottom: 1))
        XCTAssertNil(Seen(middleOf: wide, face: nil).face)
    }

    func testADeviceThatDisagreesClassifiesNothing() throws {
        let engine = PixelEngine(error: 1)
        let classifier = try LiveClassifier(Artifact(folder: Vectors.artifact), engine)
        let runs = engine.runs
        let box = Box(left: 10, top: 20, right: 40, bottom: 50)
        XCTAssertNil(try classifier.state(Seen(picture: image, face: box), time: 1).probabilities)
        XCTAssertEqual(engine.runs, runs)
    }
}
