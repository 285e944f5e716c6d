package org.ferdeploy.core

import kotlin.math.abs

/**
 * From an upright picture and a face box to the network's pixels: the same bytes as the Python reference
 * `fer_deploy/data/preprocess.py`, which is Pillow's integer arithmetic.
 */
object FacePixels {
    /** Fractional bits of Pillow's resampling weights. */
    private const val BITS = 22

    /** Returns pixels (C, H, W) of the face in [box], widened by the contract's margin; null: all of [image]. */
    fun of(image: RgbImage, spec: InputSpec, box: Box?): ByteArray {
        val face = if (box == null) image else image.cropped(box.widened(spec.cropMargin))
        val planes = if (spec.colour == Colour.GREY) listOf(luma(face)) else List(3) { plane(face, it) }
        val size = spec.width * spec.height
        val out = ByteArray(planes.size * size)
        planes.forEachIndexed { channel, pixels ->
            resized(pixels, face.width, face.height, spec).copyInto(out, channel * size)
        }
        return out
    }

    /** Returns [pixels] as the floats 0..255 that the network takes. */
    fun floats(pixels: ByteArray): FloatArray = FloatArray(pixels.size) { (pixels[it].toInt() and 0xFF).toFloat() }

    private fun plane(image: RgbImage, channel: Int) =
        ByteArray(image.width * image.height) { image.bytes[3 * it + channel] }

    /** ITU-R 601 luma with 16 fractional bits, rounded half up. */
    private fun luma(image: RgbImage): ByteArray {
        val bytes = image.bytes
        return ByteArray(image.width * image.height) {
            val red = bytes[3 * it].toInt() and 0xFF
            val green = bytes[3 * it + 1].toInt() and 0xFF
            val blue = bytes[3 * it + 2].toInt() and 0xFF
            ((19595 * red + 38470 * green + 7471 * blue + 0x8000) shr 16).toByte()
        }
    }

    /** Along the width first, rounded to 8 bits, then along the height. */
    private fun resized(pixels: ByteArray, width: Int, height: Int, spec: InputSpec): ByteArray {
        val across = ByteArray(spec.width * height)
        for ((x, tap) in taps(width, spec.width, spec.resize).withIndex()) {
            for (y in 0 until height) across[y * spec.width + x] = weighed(pixels, y * width + tap.first, 1, tap.weights)
        }
        val out = ByteArray(spec.width * spec.height)
        for ((y, tap) in taps(height, spec.height, spec.resize).withIndex()) {
            for (x in 0 until spec.width) {
                out[y * spec.width + x] = weighed(across, tap.first * spec.width + x, spec.width, tap.weights)
            }
        }
        return out
    }

    private fun weighed(pixels: ByteArray, start: Int, step: Int, weights: IntArray): Byte {
        var sum = 1 shl (BITS - 1)
        var at = start
        for (weight in weights) {
            sum += weight * (pixels[at].toInt() and 0xFF)
            at += step
        }
        return (sum shr BITS).coerceIn(0, 255).toByte()
    }

    /** The weights of one output pixel, for the input pixels from [first] on. */
    private class Tap(val first: Int, val weights: IntArray)

    private fun taps(length: Int, size: Int, kernel: Kernel): List<Tap> {
        val scale = length.toDouble() / size
        val stretch = maxOf(scale, 1.0)
        val support = stretch * if (kernel == Kernel.BILINEAR) 1.0 else 2.0
        return List(size) { index ->
            val center = (index + 0.5) * scale
            val first = maxOf((center - support + 0.5).toInt(), 0)
            val last = minOf((center + support + 0.5).toInt(), length)
            val weights = DoubleArray(last - first) { kernelAt((it + first - center + 0.5) * (1.0 / stretch), kernel) }
            var total = 0.0
            for (weight in weights) total += weight
            Tap(first, IntArray(weights.size) { fixed(if (total != 0.0) weights[it] / total else weights[it]) })
        }
    }

    private fun fixed(weight: Double): Int = (weight * (1 shl BITS) + if (weight < 0) -0.5 else 0.5).toInt()

    /** Triangle, or Keys' cubic with a = -0.5. */
    private fun kernelAt(offset: Double, kernel: Kernel): Double {
        val x = abs(offset)
        return when {
            kernel == Kernel.BILINEAR -> if (x < 1.0) 1.0 - x else 0.0
            x < 1.0 -> ((A + 2.0) * x - (A + 3.0)) * x * x + 1
            x < 2.0 -> (((x - 5) * x + 8) * x - 4) * A
            else -> 0.0
        }
    }

    private const val A = -0.5
}
