/// An upright camera picture and the face found in it, or nil where there is none.
public struct Seen: Sendable {
    public let picture: RgbImage
    public let face: Box?
    /// When it came from the camera, on the clock of ``Benchmark/uptime``; nil for a picture of no camera.
    public let arrived: UInt64?

    public init(picture: RgbImage, face: Box?, arrived: UInt64? = nil) {
        self.picture = picture
        self.face = face
        self.arrived = arrived
    }

    /// Cuts the middle square, which the screen shows, out of an upright picture; the face moves with it.
    public init(middleOf upright: RgbImage, face: Box?, arrived: UInt64? = nil) {
        self.arrived = arrived
        let side = min(upright.width, upright.height)
        let (left, top) = ((upright.width - side) / 2, (upright.height - side) / 2)
        picture = Box(left: left, top: top, right: left + side, bottom: top + side).map { upright.cropped(to: $0) } ?? upright
        self.face = face.flatMap {
            Box(left: $0.left - left, top: $0.top - top, right: $0.right - left, bottom: $0.bottom - top)
        }
    }
}

/// From camera pictures to what the screen shows: pixels by the contract, logits, softmax, smoothing, history.
///
/// It checks itself against the golden logits first and classifies nothing when this device disagrees. What the model
/// takes for no face changes neither the smoothed probabilities of the labels nor their history, and neither does a
/// frame whose logits are no numbers: in the smoothing they would stay for ever.
public final class LiveClassifier {
    public let verdict: GoldenVerdict

    private static let smoothingSeconds = 0.4
    private static let forgetSeconds = 1.0
    private static let historySeconds = 10.0
    private static let timedFrames = 100

    private let artifact: Artifact
    private let engine: Engine
    private let runsOn: String
    private let nanoseconds: () -> UInt64
    private var smoothing = Smoothing(seconds: smoothingSeconds, forgetAfter: forgetSeconds)
    private var noFaceSmoothing = Smoothing(seconds: smoothingSeconds, forgetAfter: forgetSeconds)
    private var history = History(seconds: historySeconds)
    private var inferenceMs: [Double] = []
    private var frames = FrameTimes()

    /// `runsOn` is what the screen says that the artifact runs on; nil: what the artifact says.
    public init(
        _ artifact: Artifact, _ engine: Engine, runsOn: String? = nil,
        nanoseconds: @escaping () -> UInt64 = Benchmark.uptime
    ) throws {
        self.artifact = artifact
        self.runsOn = runsOn ?? artifact.info.runtime
        self.engine = engine
        self.nanoseconds = nanoseconds
        verdict = try artifact.golden.check(engine)
    }

    /// Classifies what was `seen` at `time` (seconds, rising); nil before the first picture.
    public func state(_ seen: Seen?, time: Double) throws -> ScreenState {
        var state = Self.blank(artifact, runsOn: runsOn)
        history.forget(before: time - Self.historySeconds)
        if let seen, let box = seen.face {
            let (width, height) = (Double(seen.picture.width), Double(seen.picture.height))
            state.face = [
                Double(box.left) / width, Double(box.top) / height, Double(box.right) / width,
                Double(box.bottom) / height,
            ]
            if verdict.agrees { (state.answer, state.probabilities) = judged(try logits(seen.picture, box), time) }
        }
        state.verdict = verdict
        state.history = history.points
        state.now = time
        state.inferenceMs = inferenceMs
        if let arrived = seen?.arrived { frames.add(arrived: arrived, done: nanoseconds()) }
        state.framesPerSecond = frames.perSecond
        state.frameMs = frames.medianMs
        return state
    }

    private func logits(_ picture: RgbImage, _ box: Box) throws -> [Float] {
        let pixels = FacePixels.floats(FacePixels.of(picture, artifact.info.contract.input, box: box))
        let start = nanoseconds()
        let logits = try engine.logits(pixels)
        inferenceMs.append(Benchmark.milliseconds(nanoseconds() - start))
        inferenceMs.removeFirst(max(0, inferenceMs.count - Self.timedFrames))
        return logits
    }

    /// For what is no face the last face's probabilities are held, so that a moment's doubt does not empty the bars.
    private func judged(_ logits: [Float], _ time: Double) -> (Answer, [Double]?) {
        guard logits.allSatisfy(\.isFinite) else { return (.noNumbers, smoothing.held(time: time)) }
        let confidence = artifact.info.contract.confidence
        let noFace = confidence.noFace.map { noFaceSmoothing.add(time: time, [noFaceProbability(logits, $0)])[0] }
        guard confidence.isFace(noFace) else { return (.noFace, smoothing.held(time: time)) }
        let smoothed = smoothing.add(time: time, softmax(logits, temperature: confidence.temperature))
        history.add(time: time, smoothed)
        return (answer(smoothed, noFace: noFace, confidence), smoothed)
    }

    /// What the screen shows of `artifact` before it is loaded.
    public static func blank(_ artifact: Artifact, runsOn: String? = nil) -> ScreenState {
        let info = artifact.info
        var state = ScreenState(
            title: "\(info.model), \(info.recipe), on \(runsOn ?? info.runtime)", historySeconds: historySeconds)
        state.labels = info.contract.labels
        state.trainedOn = info.contract.trainedOn.dataset
        return state
    }

    /// What the screen shows before there is an artifact.
    public static func starting() -> ScreenState { ScreenState(title: "no model yet", historySeconds: historySeconds) }

    /// What the screen shows when there is nothing to run.
    public static func failed(_ problem: String) -> ScreenState {
        var state = ScreenState(title: "no model", historySeconds: historySeconds)
        state.problem = problem
        return state
    }
}
