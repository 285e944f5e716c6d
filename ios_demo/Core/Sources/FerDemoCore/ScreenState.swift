/// What there is to show; nil where there is nothing yet.
public struct ScreenState: Sendable {
    public var title: String
    public var historySeconds: Double
    public var labels: [String] = []
    public var trainedOn: String?
    public var verdict: GoldenVerdict?
    public var problem: String?
    public var probabilities: [Double]?
    public var history: [History.Point] = []
    public var now = 0.0
    /// The face in fractions of the upright picture: left, top, right, bottom.
    public var face: [Double]?
    public var inferenceMs: [Double] = []
    public var framesPerSecond: Double?
    /// What a frame takes from its arrival to its answer, the median; drawing comes after it.
    public var frameMs: Double?
    /// What the model says of the face now; when that is `.noFace`, `probabilities` are of the face before.
    public var answer: Answer?

    public init(title: String, historySeconds: Double) {
        self.title = title
        self.historySeconds = historySeconds
    }

    /// What the screen says, for who does not see it.
    public var spoken: String {
        if let problem { return "Cannot run: \(problem)" }
        guard let verdict else { return "Self-check is running" }
        guard verdict.agrees else { return "Wrong answers on this device: \(verdict)" }
        guard let answer, let probabilities else { return "No face in the picture" }
        guard let label = answer.label else { return answer.why ?? "" }
        return "\(labels[label]), \(Int((100 * probabilities[label]).rounded())) percent"
    }
}
