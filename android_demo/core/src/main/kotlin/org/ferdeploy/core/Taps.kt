package org.ferdeploy.core

import kotlin.math.abs

/** Pillow's resampling weights from a row of some length, see [fit], to one of [size] pixels. */
internal class Taps(private val size: Int, private val kernel: Kernel) {
    private var length = -1
    private var most = 0
    private val first = IntArray(size)
    private val count = IntArray(size)

    /** [most] weights for each output pixel, with [BITS] fractional bits; the first [count] of them are used. */
    private var weights = IntArray(0)
    private var exact = DoubleArray(0)

    /** Makes the weights for rows of [length]; they stay until it changes. */
    fun fit(length: Int) {
        if (length == this.length) return
        this.length = length
        val scale = length.toDouble() / size
        val stretch = maxOf(scale, 1.0)
        val support = stretch * if (kernel == Kernel.BILINEAR) 1.0 else 2.0
        most = 2 * support.toInt() + 3
        if (weights.size < size * most) weights = IntArray(size * most)
        if (exact.size < most) exact = DoubleArray(most)
        for (index in 0 until size) {
            val center = (index + 0.5) * scale
            first[index] = maxOf((center - support + 0.5).toInt(), 0)
            count[index] = minOf((center + support + 0.5).toInt(), length) - first[index]
            var total = 0.0
            for (tap in 0 until count[index]) {
                exact[tap] = at((tap + first[index] - center + 0.5) * (1.0 / stretch))
                total += exact[tap]
            }
            for (tap in 0 until count[index]) {
                weights[index * most + tap] = fixed(if (total != 0.0) exact[tap] / total else exact[tap])
            }
        }
    }

    /** Returns output pixel [index] of the row in [pixels] that begins at [start] and has [step] from pixel to pixel. */
    fun weighed(pixels: ByteArray, start: Int, step: Int, index: Int): Byte {
        var sum = 1 shl (BITS - 1)
        var at = start + first[index] * step
        val from = index * most
        val weights = weights
        for (tap in from until from + count[index]) {
            sum += weights[tap] * (pixels[at].toInt() and 0xFF)
            at += step
        }
        return maxOf(0, minOf(255, sum shr BITS)).toByte()
    }

    private fun fixed(weight: Double): Int = (weight * (1 shl BITS) + if (weight < 0) -0.5 else 0.5).toInt()

    /** Triangle, or Keys' cubic with a = -0.5. */
    private fun at(offset: Double): Double {
        val x = abs(offset)
        return when {
            kernel == Kernel.BILINEAR -> if (x < 1.0) 1.0 - x else 0.0
            x < 1.0 -> ((A + 2.0) * x - (A + 3.0)) * x * x + 1
            x < 2.0 -> (((x - 5) * x + 8) * x - 4) * A
            else -> 0.0
        }
    }

    private companion object {
        /** Fractional bits of the weights. */
        const val BITS = 22
        const val A = -0.5
    }
}
