package org.ferdeploy.core

import kotlin.math.exp

/** Returns the softmax of [logits] divided by [temperature], computed in double precision. */
fun softmax(logits: FloatArray, temperature: Double = 1.0): DoubleArray {
    val largest = logits.max().toDouble()
    val exponents = DoubleArray(logits.size) { exp((logits[it] - largest) / temperature) }
    val total = exponents.sum()
    return DoubleArray(logits.size) { exponents[it] / total }
}

/** Returns which label [probabilities] answer, or null where none of them reaches [unsureBelow]: "unsure". */
fun answer(probabilities: List<Double>, unsureBelow: Double): Int? =
    probabilities.indices.maxBy(probabilities::get).takeIf { probabilities[it] >= unsureBelow }

/**
 * Exponential smoothing of probabilities over time, independent of the frame rate: after [seconds] without
 * change, 63 % of a step has arrived. Starts anew when no face was seen for [forgetAfter] seconds.
 */
class Smoothing(private val seconds: Double, private val forgetAfter: Double) {
    private var state: DoubleArray? = null
    private var last = 0.0

    /** Takes the probabilities seen at [time] (seconds, rising) and returns the smoothed ones. */
    fun add(time: Double, probabilities: DoubleArray): DoubleArray {
        val previous = state.takeIf { time - last <= forgetAfter && it?.size == probabilities.size }
        val share = 1 - exp(-(time - last) / seconds)
        val next = DoubleArray(probabilities.size) { index ->
            if (previous == null) probabilities[index] else previous[index] + share * (probabilities[index] - previous[index])
        }
        state = next
        last = time
        return next.copyOf()
    }
}

/** The smoothed probabilities of the last [seconds], for the plot over time. */
class History(val seconds: Double) {
    data class Point(val time: Double, val probabilities: List<Double>)

    private val kept = ArrayDeque<Point>()

    val points: List<Point> get() = kept.toList()

    fun add(time: Double, probabilities: DoubleArray) {
        kept.addLast(Point(time, probabilities.toList()))
        forgetBefore(time - seconds)
    }

    /** Drops what is older than [time]; called while no face is seen too. */
    fun forgetBefore(time: Double) {
        while (kept.isNotEmpty() && kept.first().time < time) kept.removeFirst()
    }
}
