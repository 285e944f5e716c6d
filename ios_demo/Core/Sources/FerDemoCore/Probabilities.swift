import Foundation

/// Returns the softmax of `logits` divided by `temperature`, computed in double precision.
public func softmax(_ logits: [Float], temperature: Double = 1) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let exponents = logits.map { exp((Double($0) - largest) / temperature) }
    let total = exponents.reduce(0, +)
    return exponents.map { $0 / total }
}

/// Returns the probability, by `rule`, that a picture with these `logits` shows no face.
///
/// They are the network's own, not divided by the temperature: dividing would take away how large they are together.
public func noFaceProbability(_ logits: [Float], _ rule: Contract.NoFace) -> Double {
    let wide = logits.map(Double.init)
    let largest = wide.max() ?? 0  // Taken out of the exponentials, which would overflow.
    let energy = largest + log(wide.reduce(0) { $0 + exp($1 - largest) })
    let score = zip(rule.weights, wide).reduce(rule.bias + rule.energy * energy) { $0 + $1.0 * $1.1 }
    return 1 / (1 + exp(-score))
}

/// What a model says of a picture: a label, or ``why`` there is none.
public enum Answer: Equatable, Sendable {
    /// The label with this number in the contract.
    case label(Int)
    /// No label is probable enough.
    case unsure
    /// What was found is taken for no face, whatever the labels' probabilities are.
    case noFace
    /// The model answered with what is no number.
    case noNumbers

    /// What is said where there is no label.
    public var why: String? {
        switch self {
        case .label: nil
        case .unsure: "unsure"
        case .noFace: "no face"
        case .noNumbers: "no numbers"
        }
    }

    /// The label's number in the contract.
    public var label: Int? { if case .label(let index) = self { index } else { nil } }
}

/// Returns what `probabilities` of the labels and `noFace`, that of no face, answer under `confidence`.
public func answer(_ probabilities: [Double], noFace: Double?, _ confidence: Contract.Confidence) -> Answer {
    guard confidence.isFace(noFace) else { return .noFace }
    guard let best = probabilities.indices.max(by: { probabilities[$0] < probabilities[$1] }),
        !(probabilities[best] < confidence.unsureBelow)
    else { return .unsure }
    return .label(best)
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

    /// Returns the last smoothed probabilities, or nil where they are forgotten at `time`.
    public func held(time: Double) -> [Double]? {
        state.isEmpty || time - last > forgetAfter ? nil : state
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
