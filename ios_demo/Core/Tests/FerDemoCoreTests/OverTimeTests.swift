import Foundation
import XCTest

@testable import FerDemoCore

final class OverTimeTests: XCTestCase {
    private let left = [1.0, 0.0]
    private let right = [0.0, 1.0]

    func testAStepArrivesWithTheTimeConstantWhateverTheFrameRate() {
        for frames in [1, 7, 60] {
            var smoothing = Smoothing(seconds: 0.5, forgetAfter: 2)
            _ = smoothing.add(time: 10, left)
            var now = left
            for frame in 1...frames {
                now = smoothing.add(time: 10 + 0.5 * Double(frame) / Double(frames), right)
            }
            XCTAssertEqual(now[0], exp(-1), accuracy: 1e-9)
            XCTAssertEqual(now[0] + now[1], 1, accuracy: 1e-12)
        }
    }

    func testANewFaceStartsAnew() {
        var smoothing = Smoothing(seconds: 0.5, forgetAfter: 2)
        XCTAssertEqual(smoothing.add(time: 0, left), left)
        XCTAssertEqual(smoothing.add(time: 2.1, right), right)
    }

    func testTheLastIsHeldUntilItIsForgotten() {
        var smoothing = Smoothing(seconds: 0.5, forgetAfter: 2)
        XCTAssertNil(smoothing.held(time: 0))
        _ = smoothing.add(time: 1, left)
        XCTAssertEqual(smoothing.held(time: 3), left)
        XCTAssertNil(smoothing.held(time: 3.1))
    }

    func testHistoryKeepsItsSeconds() {
        var history = History(seconds: 3)
        for time in 0...5 { history.add(time: Double(time), left) }
        XCTAssertEqual(history.points.map(\.time), [2, 3, 4, 5])
        history.forget(before: 4.5)
        XCTAssertEqual(history.points.map(\.time), [5])
    }
}
