package org.ferdeploy.core

import kotlin.math.exp
import kotlin.math.ln

/** Returns the softmax of [logits] divided by [temperature], computed in double precision. */
fun softmax(logits: FloatArray, temperature: Double = 1.0): DoubleArray {
    val largest = logits.max().toDouble()
    val exponents = DoubleArray(logits.size) { exp((logits[it] - largest) / temperature) }
    val total = exponents.sum()
    return DoubleArray(logits.size) { exponents[it] / total }
}

/**
 * Returns the probability, by [rule], that a picture with these [logits] shows no face.
 *
 * They are the network's own, not divided by the temperature: dividing would take away how large they are together.
 */
fun noFaceProbability(logits: FloatArray, rule: NoFace): Double {
    val largest = logits.max().toDouble() // Taken out of the exponentials, which would overflow.
    val energy = largest + ln(logits.sumOf { exp(it - largest) })
    val score = rule.bias + rule.energy * energy + logits.indices.sumOf { rule.weights[it] * logits[it] }
    return 1 / (1 + exp(-score))
}

/** What a model says of a picture: a label, or [why] there is none. */
sealed class Answer(val why: String?) {
    /** The label number [index] of the contract. */
    data class Label(val index: Int) : Answer(null)

    /** No label is probable enough. */
    data object Unsure : Answer("unsure")

    /** What was found is taken for no face, whatever the labels' probabilities are. */
    data object NoFace : Answer("no face")

    /** The runtime gave logits that are no numbers. */
    data object NoNumbers : Answer("no numbers")
}

/** Returns what [probabilities] of the labels and [noFace], that of no face, answer under [confidence]. */
fun answer(probabilities: List<Double>, noFace: Double?, confidence: Confidence): Answer {
    val best = probabilities.indices.maxBy(probabilities::get)
    return when {
        !confidence.isFace(noFace) -> Answer.NoFace
        probabilities[best] < confidence.unsureBelow -> Answer.Unsure
        else -> Answer.Label(best)
    }
}

/**
 * Exponential smoothing of probabilities over time, independent of the frame rate: after [seconds] without
 * change, 63 % of a step has arrived. Starts anew when no face was seen for [forgetAfter] seconds.
 */
class Smoothing(private val seconds: Double, private val forgetAfter: Double) {
    private var state: DoubleArray? = null
    private var last = 0.0

    /**
     * Takes the probabilities seen at [time] (seconds, rising) and returns the smoothed ones. Others than numbers are
     * refused: one NaN would stay in the average for ever.
     */
    fun add(time: Double, probabilities: DoubleArray): DoubleArray {
        require(probabilities.all(Double::isFinite)) { "no probabilities: ${probabilities.toList()}" }
        val previous = state.takeIf { time - last <= forgetAfter && it?.size == probabilities.size }
        val share = 1 - exp(-(time - last) / seconds)
        val next = DoubleArray(probabilities.size) { index ->
            if (previous == null) probabilities[index] else previous[index] + share * (probabilities[index] - previous[index])
        }
        state = next
        last = time
        return next.copyOf()
    }

    /** Returns the last smoothed probabilities, or null where they are forgotten at [time]. */
    fun held(time: Double): DoubleArray? = state.takeIf { time - last <= forgetAfter }?.copyOf()
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
