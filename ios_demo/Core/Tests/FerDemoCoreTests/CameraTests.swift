import XCTest

@testable import FerDemoCore

final class CameraTests: XCTestCase {
    func testAFrameLosesItsPaddingAndItsFourthByte() {
        let frame: [UInt8] = [1, 2, 3, 0, 4, 5, 6, 0, 99, 99, 7, 8, 9, 0, 10, 11, 12, 0, 99, 99]
        let image = frame.withUnsafeBytes { RgbImage(width: 2, height: 2, bgra: $0, bytesPerRow: 10) }
        XCTAssertEqual(image.bytes, [3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10])
    }

    func testTurningBackAndForthChangesNothing() {
        let image = RgbImage(width: 5, height: 3, bytes: (0..<45).map { UInt8($0) })
        for turns in -4...4 {
            XCTAssertEqual(image.turnedClockwise(turns).turnedClockwise(-turns).bytes, image.bytes)
        }
        XCTAssertEqual(Array(image.turnedClockwise(1).bytes.prefix(3)), [30, 31, 32], "the lower left corner comes first")
    }

    func testVisionsRectanglesHaveTheirOriginBelow() {
        let box = Box.fromVision(x: 0.25, y: 0.5, width: 0.5, height: 0.25, imageWidth: 640, imageHeight: 480)
        XCTAssertEqual(box, Box(left: 160, top: 120, right: 480, bottom: 240))
        let over = Box.fromVision(x: -0.1, y: -0.1, width: 0.2, height: 0.2, imageWidth: 100, imageHeight: 100)
        XCTAssertEqual(over, Box(left: -10, top: 90, right: 10, bottom: 110))
        XCTAssertNil(Box.fromVision(x: 0.5, y: 0.5, width: 0.001, height: 0.5, imageWidth: 100, imageHeight: 100))
    }

    func testAnEmptyBoxIsNone() {
        XCTAssertNil(Box(left: 3, top: 0, right: 3, bottom: 5))
        XCTAssertNil(Box(left: 0, top: 5, right: 3, bottom: 4))
    }
}
