package org.ferdeploy.core

/** How many frames a second come through and what each takes from its arrival to its answer, over the last ones. */
class FrameTimes {
    private val ends = ArrayDeque<Long>()
    private val tookMs = ArrayDeque<Double>()

    /** A frame that arrived and was done at these times, in nanoseconds, in rising order. */
    fun add(arrived: Long, done: Long) {
        if (ends.isNotEmpty() && done - ends.last() > PAUSE_NS) {
            ends.clear()
            tookMs.clear()
        }
        ends.addLast(done)
        tookMs.addLast((done - arrived) / 1e6)
        if (ends.size > FRAMES) {
            ends.removeFirst()
            tookMs.removeFirst()
        }
    }

    /** Frames per second, or null before the second frame. */
    val perSecond: Double? get() = if (ends.size < 2) null else (ends.size - 1) * 1e9 / (ends.last() - ends.first())

    /** The median of milliseconds from arrival to answer, or null before the first frame. */
    val medianMs: Double? get() = if (tookMs.isEmpty()) null else quantile(tookMs, 0.5)

    private companion object {
        const val FRAMES = 60

        /** The camera was closed meanwhile: what was before says nothing of now. */
        const val PAUSE_NS = 2_000_000_000L
    }
}
