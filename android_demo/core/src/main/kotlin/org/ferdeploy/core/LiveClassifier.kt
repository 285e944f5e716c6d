package org.ferdeploy.core

/** An upright camera picture and the face found in it, or null where there is none. */
class Seen(val picture: RgbImage, val face: Box?) {
    companion object {
        /** Cuts the middle square, which the screen shows, out of an [upright] picture; the face moves with it. */
        fun middleOf(upright: RgbImage, face: Box?): Seen {
            val side = minOf(upright.width, upright.height)
            val left = (upright.width - side) / 2
            val top = (upright.height - side) / 2
            val moved = face?.let { Box(it.left - left, it.top - top, it.right - left, it.bottom - top) }
            return Seen(upright.cropped(Box(left, top, left + side, top + side)), moved)
        }
    }
}

/**
 * From camera pictures to what the screen shows: pixels by the contract, logits, softmax, smoothing, history.
 *
 * It checks itself against the golden logits first and classifies nothing when this device disagrees. What the model
 * takes for no face changes neither the smoothed probabilities of the labels nor their history.
 */
class LiveClassifier(private val artifact: Artifact, private val engine: Engine) {
    val verdict: GoldenVerdict = artifact.golden.check(engine)

    private val contract = artifact.info.contract
    private val smoothing = Smoothing(SMOOTHING_SECONDS, FORGET_SECONDS)
    private val noFaceSmoothing = Smoothing(SMOOTHING_SECONDS, FORGET_SECONDS)
    private val history = History(HISTORY_SECONDS)
    private val inferenceMs = ArrayDeque<Double>()

    /** Classifies what was [seen] at [time] (seconds, rising); null before the first picture. */
    fun state(seen: Seen?, time: Double, nanoTime: () -> Long = System::nanoTime): ScreenState {
        val box = seen?.face
        history.forgetBefore(time - HISTORY_SECONDS)
        val judged = if (seen == null || box == null || !verdict.agrees) null else {
            judged(logits(FacePixels.floats(FacePixels.of(seen.picture, contract.input, box)), nanoTime), time)
        }
        return blank(artifact).copy(
            verdict = verdict,
            probabilities = judged?.probabilities,
            answer = judged?.answer,
            history = history.points,
            now = time,
            face = if (seen == null || box == null) null else fractions(box, seen.picture),
            inferenceMs = inferenceMs.toList(),
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

    /** For what is no face the last face's probabilities are held, so that a moment's doubt does not empty the bars. */
    private fun judged(logits: FloatArray, time: Double): Judged {
        val confidence = contract.confidence
        val noFace = confidence.noFace?.let { noFaceSmoothing.add(time, doubleArrayOf(noFaceProbability(logits, it)))[0] }
        if (!confidence.isFace(noFace)) return Judged(Answer.NoFace, smoothing.held(time)?.toList())
        val smoothed = smoothing.add(time, softmax(logits, confidence.temperature))
        history.add(time, smoothed)
        return smoothed.toList().let { Judged(answer(it, noFace, confidence), it) }
    }

    private fun fractions(box: Box, picture: RgbImage): List<Double> {
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
        fun blank(artifact: Artifact): ScreenState = with(artifact.info) {
            ScreenState(
                title = "$model, $recipe, on $runtime", labels = contract.labels, trainedOn = contract.trainedOn,
                verdict = null, problem = null, probabilities = null, history = emptyList(),
                historySeconds = HISTORY_SECONDS, now = 0.0, face = null, inferenceMs = emptyList(),
            )
        }

        /** What the screen shows when there is nothing to run. */
        fun failed(problem: String): ScreenState = ScreenState(
            title = "no model", labels = emptyList(), trainedOn = null, verdict = null, problem = problem,
            probabilities = null, history = emptyList(), historySeconds = HISTORY_SECONDS, now = 0.0, face = null,
            inferenceMs = emptyList(),
        )
    }
}
