package org.ferdeploy.core

/**
 * The demo's overlay as shapes, so that the phone draws and a computer pictures the same thing.
 *
 * The camera's picture fills the square at the top; below it come the self-check, one bar per label, the last
 * seconds as curves, and what the figures are worth.
 */
class Screen(private val width: Float, private val height: Float) {
    private val unit = minOf(width / 36, height / 78)
    private val edge = 1.5f * unit

    /** Side of the camera's square, which starts at the top left. */
    val cameraSide: Float get() = minOf(width, height / 2)

    fun shapes(state: ScreenState): List<Shape> {
        val out = ArrayList<Shape>()
        out += Shape.Rectangle(0f, cameraSide, width, height - cameraSide, BACKGROUND)
        state.face?.let { out += faceFrame(it, state.mirrored, if (state.answer == Answer.NoFace) DIM else WHITE) }
        out += banner(state)
        val refused = state.problem != null || state.verdict?.agrees == false
        if (!refused) {
            out += bars(state)
            out += curves(state)
        }
        out += footer(state)
        buttons(state).forEach { out += drawn(it) }
        return out
    }

    /** The options are always there: what was chosen may be what does not run. */
    fun buttons(state: ScreenState): List<Button> {
        val high = 4.5f * unit
        val options = Button(Tap.OPTIONS, "Options", width - edge - 7.5f * unit, edge, 7.5f * unit, high)
        if (!state.offersSettings) return listOf(options)
        val top = cameraSide + (BANNER + 1) * unit
        return listOf(options, Button(Tap.SETTINGS, "Open the settings", edge, top, 15 * unit, high))
    }

    /** Returns what a tap at ([x], [y]) asks for, or null. */
    fun tapped(state: ScreenState, x: Float, y: Float): Tap? =
        buttons(state).find { x >= it.x && x < it.x + it.width && y >= it.y && y < it.y + it.height }?.tap

    private fun drawn(button: Button) = listOf(
        Shape.Rectangle(button.x, button.y, button.width, button.height, GLASS),
        Shape.Text(button.text, button.x + unit, button.y + 2.75f * unit, 1.4f * unit, WHITE),
    )

    private fun faceFrame(face: List<Double>, mirrored: Boolean, colour: Long): Shape {
        val (left, top, right, bottom) = face.map { it.toFloat() * cameraSide }
        return Shape.Frame(if (mirrored) cameraSide - right else left, top, right - left, bottom - top, unit / 4, colour)
    }

    private fun banner(state: ScreenState): List<Shape> {
        val verdict = state.verdict
        val (text, detail, colour) = when {
            state.problem != null -> Triple("Cannot run", state.problem, RED)
            verdict == null -> Triple("Self-check is running", "", GREY)
            verdict.agrees -> Triple("Self-check passed", "$verdict", GREEN)
            else -> Triple("Wrong answers on this device", "$verdict", RED)
        }
        val lines = wrapped(detail, DETAIL_COLUMNS).take(BANNER_LINES)
        return listOf(
            Shape.Rectangle(0f, cameraSide, width, BANNER * unit, colour),
            Shape.Text(text, edge, cameraSide + 2 * unit, 1.5f * unit, WHITE),
        ) + lines.mapIndexed { index, line ->
            Shape.Text(line, edge, cameraSide + (3.5f + 1.3f * index) * unit, 1.05f * unit, WHITE)
        }
    }

    private fun bars(state: ScreenState): List<Shape> {
        val top = cameraSide + (BANNER + 1) * unit
        val row = BARS * unit / state.labels.size
        val start = 10 * unit
        val length = width - start - 6 * unit
        val best = (state.answer as? Answer.Label)?.index
        val why = listOfNotNull(state.answer?.why).map { Shape.Text(it, width - edge, top - unit / 5, unit, DIM, true) }
        return why + state.labels.flatMapIndexed { index, label ->
            val share = state.probabilities?.get(index)
            val y = top + index * row
            val size = minOf(1.4f * unit, row * 0.8f)
            val base = y + row / 2 + size * 0.35f
            val strength = if (index == best) WHITE else DIM
            val fill = if (state.answer == Answer.NoFace) GREY else colour(index)
            listOf(
                Shape.Text(label, edge, base, size, strength),
                Shape.Rectangle(start, y + row * 0.15f, length, row * 0.7f, TRACK),
                Shape.Rectangle(start, y + row * 0.15f, length * (share ?: 0.0).toFloat(), row * 0.7f, fill),
                Shape.Text(share?.let { "${Math.round(100 * it)} %" } ?: "–", width - edge, base, size, strength, true),
            )
        }
    }

    private fun curves(state: ScreenState): List<Shape> {
        val top = cameraSide + (BANNER + BARS + 2) * unit
        val tall = height - top - (FOOTER + 1) * unit
        val wide = width - 2 * edge
        val out = ArrayList<Shape>()
        out += Shape.Rectangle(edge, top, wide, tall, TRACK)
        out += Shape.Text("last ${state.historySeconds.toInt()} s", edge + unit / 2, top + 1.4f * unit, unit, DIM)
        for (index in state.labels.indices) {
            val points = FloatArray(2 * state.history.size)
            state.history.forEachIndexed { place, point ->
                points[2 * place] = edge + wide * (1 - ((state.now - point.time) / state.historySeconds).toFloat())
                points[2 * place + 1] = top + tall * (1 - point.probabilities[index].toFloat())
            }
            if (state.history.size > 1) out += Shape.Curve(points, unit / 5, colour(index))
        }
        return out
    }

    private fun footer(state: ScreenState): List<Shape> {
        val speed = if (state.inferenceMs.isEmpty()) "no inference yet" else {
            "inference p50 %.2f ms, p95 %.2f ms over the last ${state.inferenceMs.size} frames"
                .format(null, quantile(state.inferenceMs, 0.5), quantile(state.inferenceMs, 0.95))
        }
        val frames = if (state.framesPerSecond == null || state.frameMs == null) null else {
            "%.1f frames/s, %.1f ms from a frame's arrival to its answer".format(null, state.framesPerSecond, state.frameMs)
        }
        val lines = listOfNotNull(
            state.title, speed, frames ?: "no frames yet", state.trainedOn?.let { "trained on $it" }, "an expression is not an emotion",
        )
        return lines.mapIndexed { index, line ->
            Shape.Text(line, edge, height - (FOOTER - 1.3f - 1.5f * index) * unit, 1.05f * unit, DIM)
        }
    }

    companion object {
        private const val BANNER = 7f
        private const val BARS = 14f
        private const val FOOTER = 8f
        private const val BANNER_LINES = 3
        private const val DETAIL_COLUMNS = 58
        private const val BACKGROUND = 0xFF10141AL
        private const val TRACK = 0xFF232A33L
        private const val GLASS = 0xC04A5560L
        private const val WHITE = 0xFFFFFFFFL
        private const val DIM = 0xFFA9B4C0L
        private const val GREY = 0xFF4A5560L
        private const val GREEN = 0xFF1B6E3CL
        private const val RED = 0xFFB3261EL

        /** Okabe and Ito's colours, which colour-blind people tell apart, black replaced by grey. */
        private val COLOURS = longArrayOf(
            0xFFBBBBBB, 0xFFE69F00, 0xFF56B4E9, 0xFF009E73, 0xFFF0E442, 0xFF0072B2, 0xFFD55E00, 0xFFCC79A7,
        )

        private fun colour(index: Int) = COLOURS[index % COLOURS.size]

        /** Breaks [text] at spaces into lines of at most [columns] characters, longer words by force. */
        internal fun wrapped(text: String, columns: Int): List<String> {
            val lines = ArrayList<String>()
            for (word in text.split(' ').filter { it.isNotEmpty() }.flatMap { it.chunked(columns) }) {
                val last = lines.lastOrNull()
                if (last != null && last.length + 1 + word.length <= columns) lines[lines.size - 1] = "$last $word"
                else lines += word
            }
            return lines
        }
    }
}
