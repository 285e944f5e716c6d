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
 * It checks itself against the golden logits first and classifies nothing when this device disagrees.
 */
class LiveClassifier(private val artifact: Artifact, private val engine: Engine) {
    val verdict: GoldenVerdict = artifact.golden.check(engine)

    private val contract = artifact.info.contract
    private val smoothing = Smoothing(SMOOTHING_SECONDS, FORGET_SECONDS)
    private val history = History(HISTORY_SECONDS)
    private val inferenceMs = ArrayDeque<Double>()

    /** Classifies what was [seen] at [time] (seconds, rising); null before the first picture. */
    fun state(seen: Seen?, time: Double, nanoTime: () -> Long = System::nanoTime): ScreenState {
        val box = seen?.face
        history.forgetBefore(time - HISTORY_SECONDS)
        val probabilities = if (seen == null || box == null || !verdict.agrees) null else {
            val pixels = FacePixels.floats(FacePixels.of(seen.picture, contract.input, box))
            val start = nanoTime()
            val logits = engine.logits(pixels)
            inferenceMs.addLast((nanoTime() - start) / 1e6)
            if (inferenceMs.size > TIMED_FRAMES) inferenceMs.removeFirst()
            smoothing.add(time, softmax(logits, contract.confidence.temperature)).also { history.add(time, it) }
        }
        return blank(artifact).copy(
            verdict = verdict,
            probabilities = probabilities?.toList(),
            history = history.points,
            now = time,
            face = if (seen == null || box == null) null else fractions(box, seen.picture),
            inferenceMs = inferenceMs.toList(),
        )
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
                unsureBelow = contract.confidence.unsureBelow,
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
