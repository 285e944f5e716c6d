import Foundation

/// What the screen is made of; all lengths in points, colours as 0xRRGGBB.
public enum Shape: Equatable, Sendable {
    case rectangle(x: Double, y: Double, width: Double, height: Double, fill: UInt32)
    case frame(x: Double, y: Double, width: Double, height: Double, line: Double, colour: UInt32)
    /// `y` is the baseline; `x` the start, or the end when `atEnd`.
    case text(String, x: Double, y: Double, size: Double, colour: UInt32, atEnd: Bool)
    case curve([Point], line: Double, colour: UInt32)

    public struct Point: Equatable, Sendable {
        public let x: Double
        public let y: Double
    }
}

/// The demo's overlay as shapes, so that the phone draws and a computer pictures the same thing.
///
/// The camera's picture fills the square at the top; below it come the self-check, one bar per label, the last
/// seconds as curves, and what the figures are worth.
public struct Screen: Sendable {
    private let width: Double
    private let height: Double
    private let unit: Double
    private var edge: Double { 1.5 * unit }

    /// Side of the camera's square, which starts at the top left.
    public var cameraSide: Double { min(width, height / 2) }

    public init(width: Double, height: Double) {
        self.width = width
        self.height = height
        unit = min(width / 36, height / 78)
    }

    public func shapes(_ state: ScreenState) -> [Shape] {
        var out: [Shape] = [
            .rectangle(x: 0, y: cameraSide, width: width, height: height - cameraSide, fill: Palette.background)
        ]
        if let face = state.face {
            out.append(faceFrame(face, state.answer == .noFace ? Palette.dim : Palette.white))
        }
        out += banner(state)
        if state.problem == nil, state.verdict?.agrees != false { out += bars(state) + curves(state) }
        return out + footer(state)
    }

    /// The picture is drawn mirrored, as people know themselves, and so is the frame; the network sees neither.
    private func faceFrame(_ face: [Double], _ colour: UInt32) -> Shape {
        let edges = face.map { $0 * cameraSide }
        return .frame(
            x: cameraSide - edges[2], y: edges[1], width: edges[2] - edges[0], height: edges[3] - edges[1],
            line: unit / 4, colour: colour)
    }

    private func banner(_ state: ScreenState) -> [Shape] {
        let (title, detail, fill) = said(state)
        let lines = wrapped(detail, columns: 58).prefix(3).enumerated().map { index, line in
            text(line, edge, cameraSide + (3.5 + 1.3 * Double(index)) * unit, 1.05 * unit, Palette.white)
        }
        return [
            .rectangle(x: 0, y: cameraSide, width: width, height: Rows.banner * unit, fill: fill),
            text(title, edge, cameraSide + 2 * unit, 1.5 * unit, Palette.white),
        ] + lines
    }

    private func said(_ state: ScreenState) -> (String, String, UInt32) {
        if let problem = state.problem { return ("Cannot run", problem, Palette.red) }
        guard let verdict = state.verdict else { return ("Self-check is running", "", Palette.grey) }
        if verdict.agrees { return ("Self-check passed", "\(verdict)", Palette.green) }
        return ("Wrong answers on this device", "\(verdict)", Palette.red)
    }

    private func bars(_ state: ScreenState) -> [Shape] {
        let top = cameraSide + (Rows.banner + 1) * unit
        let row = Rows.bars * unit / Double(state.labels.count)
        let start = 10 * unit
        let length = width - start - 6 * unit
        let why = [state.answer?.why].compactMap { $0 }.map {
            text($0, width - edge, top - unit / 5, unit, Palette.dim, atEnd: true)
        }
        return why + state.labels.enumerated().flatMap { index, label -> [Shape] in
            let share = state.probabilities?[index]
            let y = top + Double(index) * row
            let size = min(1.4 * unit, row * 0.8)
            let base = y + row / 2 + size * 0.35
            let colour = index == state.answer?.label ? Palette.white : Palette.dim
            let fill = state.answer == .noFace ? Palette.grey : Palette.label(index)
            let bar = (y: y + row * 0.15, height: row * 0.7)
            return [
                text(label, edge, base, size, colour),
                .rectangle(x: start, y: bar.y, width: length, height: bar.height, fill: Palette.track),
                .rectangle(x: start, y: bar.y, width: length * (share ?? 0), height: bar.height, fill: fill),
                text(share.map { "\(Int((100 * $0).rounded())) %" } ?? "–", width - edge, base, size, colour, atEnd: true),
            ]
        }
    }

    private func curves(_ state: ScreenState) -> [Shape] {
        let top = cameraSide + (Rows.banner + Rows.bars + 2) * unit
        let tall = height - top - (Rows.footer + 1) * unit
        let wide = width - 2 * edge
        var out: [Shape] = [
            .rectangle(x: edge, y: top, width: wide, height: tall, fill: Palette.track),
            text("last \(Int(state.historySeconds)) s", edge + unit / 2, top + 1.4 * unit, unit, Palette.dim),
        ]
        guard state.history.count > 1 else { return out }
        for index in state.labels.indices {
            let points = state.history.map { point -> Shape.Point in
                let age = (state.now - point.time) / state.historySeconds
                return Shape.Point(x: edge + wide * (1 - age), y: top + tall * (1 - point.probabilities[index]))
            }
            out.append(.curve(points, line: unit / 5, colour: Palette.label(index)))
        }
        return out
    }

    private func footer(_ state: ScreenState) -> [Shape] {
        var speed = "no inference yet"
        if !state.inferenceMs.isEmpty {
            let figures = [0.5, 0.95].map { String(format: "%.2f", quantile(state.inferenceMs, $0)) }
            speed = "inference p50 \(figures[0]) ms, p95 \(figures[1]) ms over the last \(state.inferenceMs.count) frames"
        }
        var frames = "no frames yet"
        if let perSecond = state.framesPerSecond, let took = state.frameMs {
            frames = String(format: "%.1f frames/s, %.1f ms from a frame's arrival to its answer", perSecond, took)
        }
        let lines = [
            state.title, speed, frames, state.trainedOn.map { "trained on \($0)" }, "an expression is not an emotion",
        ]
        return lines.compactMap { $0 }.enumerated().map { index, line in
            text(line, edge, height - (Rows.footer - 1.3 - 1.5 * Double(index)) * unit, 1.05 * unit, Palette.dim)
        }
    }

    private func text(
        _ string: String, _ x: Double, _ y: Double, _ size: Double, _ colour: UInt32, atEnd: Bool = false
    ) -> Shape {
        .text(string, x: x, y: y, size: size, colour: colour, atEnd: atEnd)
    }

    /// Heights in units.
    private enum Rows {
        static let banner = 7.0
        static let bars = 14.0
        static let footer = 8.0
    }

    private enum Palette {
        static let background: UInt32 = 0x10141A
        static let track: UInt32 = 0x232A33
        static let white: UInt32 = 0xFFFFFF
        static let dim: UInt32 = 0xA9B4C0
        static let grey: UInt32 = 0x4A5560
        static let green: UInt32 = 0x1B6E3C
        static let red: UInt32 = 0xB3261E

        /// Okabe and Ito's colours, which colour-blind people tell apart, black replaced by grey.
        private static let labels: [UInt32] = [
            0xBBBBBB, 0xE69F00, 0x56B4E9, 0x009E73, 0xF0E442, 0x0072B2, 0xD55E00, 0xCC79A7,
        ]

        static func label(_ index: Int) -> UInt32 { labels[index % labels.count] }
    }
}

/// Breaks `text` at spaces into lines of at most `columns` characters, longer words by force.
func wrapped(_ text: String, columns: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
        var rest = word
        while !rest.isEmpty {
            let piece = rest.prefix(columns)
            rest = rest.dropFirst(columns)
            if let last = lines.last, last.count + 1 + piece.count <= columns {
                lines[lines.count - 1] = "\(last) \(piece)"
            } else {
                lines.append(String(piece))
            }
        }
    }
    return lines
}
