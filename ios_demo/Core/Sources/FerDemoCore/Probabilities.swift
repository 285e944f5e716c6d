import Foundation

/// Returns the softmax of `logits` divided by `temperature`, computed in double precision.
public func softmax(_ logits: [Float], temperature: Double = 1) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let exponents = logits.map { exp((Double($0) - largest) / temperature) }
    let total = exponents.reduce(0, +)
    return exponents.map { $0 / total }
}

/// Returns which label `probabilities` answer, or nil where none of them reaches `unsureBelow`: "unsure".
public func answer(_ probabilities: [Double], unsureBelow: Double) -> Int? {
    guard let best = probabilities.indices.max(by: { probabilities[$0] < probabilities[$1] }) else { return nil }
    return probabilities[best] >= unsureBelow ? best : nil
}

/// Exponential smoothing of probabilities over time, independent of the frame rate: after `seconds` without
/// change, 63 % of a step has arrived. Starts anew when no face was seen for `forgetAfter` seconds.
public struct Smoothing: Sendable {
    private let seconds: Double
    private let forgetAfter: Double
    private var state: [Double] = []
    private var last = 0.0

    public init(seconds: Double, forgetAfter: Double) {
        self.seconds = seconds
        self.forgetAfter = forgetAfter
    }

    /// Takes the probabilities seen at `time` (seconds, rising) and returns the smoothed ones.
    public mutating func add(time: Double, _ probabilities: [Double]) -> [Double] {
        if time - last <= forgetAfter, state.count == probabilities.count {
            let share = 1 - exp(-(time - last) / seconds)
            state = zip(state, probabilities).map { $0 + share * ($1 - $0) }
        } else {
            state = probabilities
        }
        last = time
        return state
    }
}

/// The smoothed probabilities of the last `seconds`, for the plot over time.
public struct History: Sendable {
    public struct Point: Equatable, Sendable {
        public let time: Double
        public let probabilities: [Double]

        public init(time: Double, probabilities: [Double]) {
            self.time = time
            self.probabilities = probabilities
        }
    }

    public let seconds: Double
    public private(set) var points: [Point] = []

    public init(seconds: Double) {
        self.seconds = seconds
    }

    public mutating func add(time: Double, _ probabilities: [Double]) {
        points.append(Point(time: time, probabilities: probabilities))
        forget(before: time - seconds)
    }

    /// Drops what is older than `time`; called while no face is seen too.
    public mutating func forget(before time: Double) {
        points.removeAll { $0.time < time }
    }
}
