import Foundation
import XCTest

@testable import FerDemoCore

final class ScreenTests: XCTestCase {
    private let labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    private let screen = Screen(width: 393, height: 852)

    private func probabilities(_ time: Double) -> [Double] {
        var logits: [Float] = []
        for index in 0..<8 {
            let phase: Double = time / 9 + Double(index) / 8
            let rise: Double = index == 1 ? time / 4 : 0
            logits.append(Float(2.4 * sin(2 * Double.pi * phase) + rise))
        }
        return softmax(logits)
    }

    private var running: ScreenState {
        var state = ScreenState(title: "a model, fp16, on Core ML, all units", historySeconds: 10)
        state.labels = labels
        state.trainedOn = "a dataset"
        state.verdict = GoldenVerdict(worst: 0.0125, worstVector: "blobs-2", allowed: 0.1)
        state.probabilities = probabilities(10)
        state.answer = .label(1)
        state.history = (0...100).map { History.Point(time: Double($0) / 10, probabilities: probabilities(Double($0) / 10)) }
        state.now = 10
        state.face = [0.28, 0.22, 0.72, 0.78]
        state.inferenceMs = (0..<100).map { 1 + Double($0) / 100 }
        state.framesPerSecond = 29.97
        state.frameMs = 11.84
        return state
    }

    private var disagreeing: ScreenState {
        var state = running
        state.verdict = GoldenVerdict(worst: 0.8125, worstVector: "checkerboard", allowed: 0.1)
        (state.face, state.framesPerSecond, state.frameMs, state.inferenceMs) = (nil, nil, nil, [])
        return state
    }

    private var failed: ScreenState {
        LiveClassifier.failed(
            "no artifact in this app: run fer-deploy bundle --app ios ARTIFACT and build it again")
    }

    private func running(saying answer: Answer) -> ScreenState {
        var state = running
        state.answer = answer
        return state
    }

    private func highlighted(_ state: ScreenState) -> [String] {
        screen.shapes(state).compactMap {
            if case .text(let string, _, _, _, 0xFFFFFF, _) = $0, labels.contains(string) { string } else { nil }
        }
    }

    private func bars(_ state: ScreenState) -> [(width: Double, fill: UInt32)] {
        let all = screen.shapes(state).compactMap { shape -> (width: Double, fill: UInt32)? in
            if case .rectangle(_, _, let width, _, let fill) = shape { (width, fill) } else { nil }
        }
        return labels.indices.map { all[2 + 2 * $0 + 1] }
    }

    private func texts(_ state: ScreenState) -> [String] {
        screen.shapes(state).compactMap { if case .text(let string, _, _, _, _, _) = $0 { string } else { nil } }
    }

    func testEverythingLiesOnTheScreen() {
        let states = [
            running, running(saying: .unsure), running(saying: .noFace), disagreeing,
            failed, running(saying: .noNumbers), LiveClassifier.starting(),
        ]
        for (width, height) in [(393.0, 852.0), (320.0, 568.0), (834.0, 1194.0)] {
            for shape in states.flatMap(Screen(width: width, height: height).shapes) {
                let points: [(Double, Double)]
                switch shape {
                case .rectangle(let x, let y, let w, let h, _), .frame(let x, let y, let w, let h, _, _):
                    points = [(x, y), (x + w, y + h)]
                case .text(_, let x, let y, let size, _, _): points = [(x, y - size), (x, y)]
                case .curve(let curve, _, _): points = curve.map { ($0.x, $0.y) }
                }
                for (x, y) in points {
                    XCTAssertTrue(x >= -0.5 && x <= width + 0.5 && y >= -0.5 && y <= height + 0.5, "\(shape)")
                }
            }
        }
    }

    func testWithoutALabelTheReasonIsSaidAndNoneIsHighlighted() {
        let reasons = ["unsure", "no face"]
        XCTAssertEqual(highlighted(running), ["happiness"])
        XCTAssertEqual(texts(running).filter(reasons.contains), [])
        for (answer, why) in [(Answer.unsure, "unsure"), (.noFace, "no face")] {
            XCTAssertEqual(highlighted(running(saying: answer)), [])
            XCTAssertEqual(texts(running(saying: answer)).filter(reasons.contains), [why])
        }
    }

    func testBarsAndFrameDimForWhatIsNoFace() {
        var noFace = running(saying: .noFace)
        XCTAssertEqual(bars(running).map(\.fill), bars(running(saying: .unsure)).map(\.fill))
        XCTAssertEqual(bars(running).map(\.width), bars(noFace).map(\.width))
        XCTAssertEqual(Set(bars(noFace).map(\.fill)).count, 1)
        let frames = [running, noFace].flatMap(screen.shapes).compactMap { shape -> UInt32? in
            if case .frame(_, _, _, _, _, let colour) = shape { colour } else { nil }
        }
        XCTAssertEqual(frames, [0xFFFFFF, 0xA9B4C0])
        noFace.probabilities = nil
        XCTAssertTrue(texts(noFace).contains("no face"))
        XCTAssertFalse(texts(noFace).contains { $0.contains("%") })
    }

    func testADeviceThatDisagreesShowsRedAndNoProbabilities() {
        XCTAssertTrue(texts(disagreeing).contains("Wrong answers on this device"))
        XCTAssertFalse(texts(disagreeing).contains { $0.contains("%") || labels.contains($0) })
        XCTAssertTrue(
            screen.shapes(disagreeing).contains {
                if case .rectangle(_, _, _, _, 0xB3261E) = $0 { true } else { false }
            })
        XCTAssertTrue(Set(labels + ["Self-check passed"]).isSubset(of: texts(running)))
        XCTAssertTrue(texts(running).contains("inference p50 1.50 ms, p95 1.94 ms over the last 100 frames"))
    }

    func testTheFooterSaysHowManyFramesComeThroughAndWhatOneTakes() {
        XCTAssertTrue(texts(running).contains("30.0 frames/s, 11.8 ms from a frame's arrival to its answer"))
        XCTAssertTrue(texts(disagreeing).contains("no frames yet"))
    }

    func testWhatTheScreenShowsCanBeSpoken() {
        XCTAssertEqual(running.spoken, "happiness, 91 percent")
        XCTAssertEqual(running(saying: .unsure).spoken, "unsure")
        XCTAssertTrue(disagreeing.spoken.hasPrefix("Wrong answers on this device: logits differ by"))
        XCTAssertTrue(failed.spoken.hasPrefix("Cannot run: no artifact"))
        XCTAssertEqual(LiveClassifier.starting().spoken, "Self-check is running")
        var empty = running
        (empty.answer, empty.probabilities) = (nil, nil)
        XCTAssertEqual(empty.spoken, "No face in the picture")
    }

    func testTheFrameIsMirroredWithThePicture() {
        var left = running
        left.face = [0, 0.25, 0.25, 0.5]  // The picture's left is the screen's right.
        let side = screen.cameraSide
        for case .frame(let x, let y, let width, let height, _, _) in screen.shapes(left) {
            XCTAssertEqual([x, y, width, height], [side * 0.75, side * 0.25, side * 0.25, side * 0.25])
        }
        XCTAssertTrue(screen.shapes(left).contains { if case .frame = $0 { true } else { false } })
    }

    func testACameraThatFailsIsStartedAgainThriceAndAnewOnceItWorks() {
        var restarts = Restarts()
        XCTAssertEqual((0..<5).map { _ in restarts.again() }, [true, true, true, false, false])
        restarts.works()
        XCTAssertTrue(restarts.again())
    }

    func testLongWordsAreBroken() {
        XCTAssertEqual(wrapped("ab cd efghijk", columns: 5), ["ab cd", "efghi", "jk"])
        XCTAssertEqual(wrapped("", columns: 5), [])
    }

    /// Prints the README's pictures as SVG, from the very shapes that the phone draws, when FER_SCREENS is set.
    func testPicturesForTheReadme() {
        guard ProcessInfo.processInfo.environment["FER_SCREENS"] != nil else { return }
        for (name, state) in [("running", running), ("disagreeing", disagreeing), ("failed", failed)] {
            print("SVG \(name): \(svg(state))")
        }
    }

    private func svg(_ state: ScreenState) -> String {
        func hex(_ colour: UInt32) -> String { String(format: "#%06X", colour) }
        let side = screen.cameraSide
        var out = #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 393 852" font-family="sans-serif">"#
        out += "<rect width='\(side)' height='\(side)' fill='#2E3640'/>"
        if state.face != nil {
            out += "<g transform='scale(\(side))'><clipPath id='c'><rect width='1' height='1'/></clipPath>"
            out += "<g clip-path='url(#c)'><ellipse cx='.5' cy='1.05' rx='.4' ry='.3' fill='#56606B'/>"
            out += "<ellipse cx='.5' cy='.5' rx='.21' ry='.28' fill='#C9A687'/>"
            out += "<circle cx='.42' cy='.45' r='.02' fill='#2B2B2B'/><circle cx='.58' cy='.45' r='.02' fill='#2B2B2B'/>"
            out += "<path d='M.42 .6Q.5 .7 .58 .6' fill='none' stroke='#7A3B32' stroke-width='.01'/></g></g>"
        }
        for shape in screen.shapes(state) {
            switch shape {
            case .rectangle(let x, let y, let w, let h, let fill):
                out += "<rect x='\(x)' y='\(y)' width='\(w)' height='\(h)' fill='\(hex(fill))'/>"
            case .frame(let x, let y, let w, let h, let line, let colour):
                out += "<rect x='\(x)' y='\(y)' width='\(w)' height='\(h)' fill='none' stroke='\(hex(colour))' stroke-width='\(line)'/>"
            case .text(let string, let x, let y, let size, let colour, let atEnd):
                let anchor = atEnd ? " text-anchor='end'" : ""
                out += "<text x='\(x)' y='\(y)' font-size='\(size)' fill='\(hex(colour))'\(anchor)>\(string)</text>"
            case .curve(let points, let line, let colour):
                let path = points.map { String(format: "%.1f,%.1f", $0.x, $0.y) }.joined(separator: " ")
                out += "<polyline points='\(path)' fill='none' stroke='\(hex(colour))' stroke-width='\(line)'/>"
            }
        }
        return out + "</svg>"
    }
}
