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

    func testSoftmaxAndQuantilesArePythons() throws {
        for row in try Vectors.document().softmax {
            let probabilities = softmax(row.logits, temperature: row.temperature)
            for (got, wanted) in zip(probabilities, row.probabilities) {
                XCTAssertEqual(got, wanted, accuracy: 1e-12)
            }
            XCTAssertEqual(answer(probabilities, unsureBelow: row.unsure_below), row.answer)
        }
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
