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
}
