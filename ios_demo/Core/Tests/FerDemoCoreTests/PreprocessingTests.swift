import Foundation
import XCTest

@testable import FerDemoCore

final class PreprocessingTests: XCTestCase {
    func testEveryVectorGivesTheBytesOfThePythonReference() throws {
        let vectors = try Vectors.document().vectors
        XCTAssertGreaterThanOrEqual(vectors.count, 200)
        for (index, vector) in vectors.enumerated() {
            let spec = InputSpec(
                height: vector.out_height, width: vector.out_width, colour: vector.color, resize: vector.resize,
                cropMargin: vector.crop_margin, mean: [], std: [])
            let image = Vectors.picture(vector).turnedClockwise(vector.clockwise_quarter_turns)
            let box = try vector.box.map { try XCTUnwrap(Vectors.box($0)) }
            let wanted = try XCTUnwrap(Data(base64Encoded: vector.pixels_base64))
            XCTAssertEqual(FacePixels.of(image, spec, box: box), Array(wanted), "vector \(index): \(vector)")
        }
        print("\(vectors.count) preprocessing vectors agree byte for byte")
    }

    func testBoxesWidenAsInPython() throws {
        for row in try Vectors.document().widened {
            XCTAssertEqual(Vectors.box(row.box)?.widened(by: row.margin), Vectors.box(row.widened))
        }
    }

    func testAnswersArePythons() throws {
        for row in try Vectors.document().answers {
            let confidence = Contract.Confidence(
                temperature: row.temperature, unsureBelow: row.unsure_below, noFace: row.no_face)
            let probabilities = softmax(row.logits, temperature: row.temperature)
            for (got, wanted) in zip(probabilities, row.probabilities) {
                XCTAssertEqual(got, wanted, accuracy: 1e-12)
            }
            let noFace = row.no_face.map { noFaceProbability(row.logits, $0) }
            XCTAssertEqual(noFace == nil, row.no_face_probability == nil)
            if let noFace, let wanted = row.no_face_probability { XCTAssertEqual(noFace, wanted, accuracy: 1e-12) }
            let said = answer(probabilities, noFace: noFace, confidence)
            XCTAssertEqual(said.label, row.answer)
            XCTAssertEqual(said.why, row.why)
        }
    }

    func testQuantilesArePythons() throws {
        for row in try Vectors.document().quantiles {
            for (share, wanted) in [(0.5, row.p50), (0.9, row.p90), (0.95, row.p95), (0.99, row.p99)] {
                XCTAssertEqual(quantile(row.samples, share), wanted, accuracy: 1e-12)
            }
        }
    }

    func testFloatsArePixelsFrom0To255() {
        XCTAssertEqual(FacePixels.floats([0, 127, 128, 255]), [0, 127, 128, 255])
    }
}
