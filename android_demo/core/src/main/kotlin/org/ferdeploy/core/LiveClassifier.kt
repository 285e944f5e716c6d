package org.ferdeploy.core

/**
 * An upright camera picture, the face found in it, or null where there is none, and when its frame [arrived]
 * (nanoseconds). [mirrored] is how the screen shows it, since people know themselves from mirrors; the network is given
 * the picture as it is.
 */
class Seen(val picture: Picture, val face: Box?, val arrived: Long? = null, val mirrored: Boolean = false)

/**
 * From camera pictures to what the screen shows: pixels by the contract, logits, softmax, smoothing, history.
 *
 * It checks itself against the golden logits first and classifies nothing when this device disagrees. What the model
 * takes for no face changes neither the smoothed probabilities of the labels nor their history.
 */
class LiveClassifier(
    private val artifact: Artifact,
    private val engine: Engine,
    /** What the artifact runs on, for the screen. */
    private val runsOn: String = artifact.info.runtime,
) {
    val verdict: GoldenVerdict = artifact.golden.check(engine)

    private val contract = artifact.info.contract
    private val smoothing = Smoothing(SMOOTHING_SECONDS, FORGET_SECONDS)
    private val noFaceSmoothing = Smoothing(SMOOTHING_SECONDS, FORGET_SECONDS)
    private val history = History(HISTORY_SECONDS)
    private val inferenceMs = ArrayDeque<Double>()
    private val pixels = FacePixels(contract.input)
    private val frames = FrameTimes()

    /** Classifies what was [seen] at [time] (seconds, rising); null before the first picture. */
    fun state(seen: Seen?, time: Double, nanoTime: () -> Long = System::nanoTime): ScreenState {
        val box = seen?.face
        history.forgetBefore(time - HISTORY_SECONDS)
        val judged = if (seen == null || box == null || !verdict.agrees) null else {
            judged(logits(pixels.floats(seen.picture, box), nanoTime), time)
        }
        seen?.arrived?.let { frames.add(it, nanoTime()) }
        return blank(artifact, runsOn).copy(
            verdict = verdict,
            probabilities = judged?.probabilities,
            answer = judged?.answer,
            history = history.points,
            now = time,
            face = if (seen == null || box == null) null else fractions(box, seen.picture),
            inferenceMs = inferenceMs.toList(),
            framesPerSecond = frames.perSecond,
            frameMs = frames.medianMs,
            mirrored = seen?.mirrored == true,
        )
    }

    private fun logits(pixels: FloatArray, nanoTime: () -> Long): FloatArray {
        val start = nanoTime()
        val logits = engine.logits(pixels)
        inferenceMs.addLast((nanoTime() - start) / 1e6)
        if (inferenceMs.size > TIMED_FRAMES) inferenceMs.removeFirst()
        return logits
    }

    private class Judged(val answer: Answer, val probabilities: List<Double>?)

    /**
     * For what is no face the last face's probabilities are held, so that a moment's doubt does not empty the bars; so
     * they are where the logits are no numbers, which must not get into what is smoothed.
     */
    private fun judged(logits: FloatArray, time: Double): Judged {
        if (!logits.all(Float::isFinite)) return Judged(Answer.NoNumbers, smoothing.held(time)?.toList())
        val confidence = contract.confidence
        val noFace = confidence.noFace?.let { noFaceSmoothing.add(time, doubleArrayOf(noFaceProbability(logits, it)))[0] }
        if (!confidence.isFace(noFace)) return Judged(Answer.NoFace, smoothing.held(time)?.toList())
        val smoothed = smoothing.add(time, softmax(logits, confidence.temperature))
        history.add(time, smoothed)
        return smoothed.toList().let { Judged(answer(it, noFace, confidence), it) }
    }

    private fun fractions(box: Box, picture: Picture): List<Double> {
        val width = picture.width.toDouble()
        val height = picture.height.toDouble()
        return listOf(box.left / width, box.top / height, box.right / width, box.bottom / height)
    }

    companion object {
        private const val SMOOTHING_SECONDS = 0.4
        private const val FORGET_SECONDS = 1.0
        private const val HISTORY_SECONDS = 10.0
        private const val TIMED_FRAMES = 100

        /** What the screen shows of [artifact] before it is loaded. */
        fun blank(artifact: Artifact, runsOn: String = artifact.info.runtime): ScreenState = with(artifact.info) {
            ScreenState(
                title = "$model, $recipe, on $runsOn", labels = contract.labels, trainedOn = contract.trainedOn,
                verdict = null, problem = null, probabilities = null, history = emptyList(),
                historySeconds = HISTORY_SECONDS, now = 0.0, face = null, inferenceMs = emptyList(),
            )
        }

        /** What the screen shows when there is nothing to run; [settings] offers the system's settings. */
        fun failed(problem: String, settings: Boolean = false): ScreenState = ScreenState(
            title = "no model", labels = emptyList(), trainedOn = null, verdict = null, problem = problem,
            probabilities = null, history = emptyList(), historySeconds = HISTORY_SECONDS, now = 0.0, face = null,
            inferenceMs = emptyList(), offersSettings = settings,
        )
    }
}
