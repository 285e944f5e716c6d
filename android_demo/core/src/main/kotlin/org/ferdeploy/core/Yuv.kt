package org.ferdeploy.core

/** One plane of a camera frame: [pixelStride] bytes from one sample to the next, [rowStride] from row to row. */
class Plane(val bytes: ByteArray, val rowStride: Int, val pixelStride: Int) {
    internal fun at(x: Int, y: Int): Int = bytes[y * rowStride + x * pixelStride].toInt() and 0xFF
}

/**
 * Returns a YUV 4:2:0 frame of [width] x [height] as RGB: JFIF's full-range ITU-R 601 with 16 fractional bits,
 * each chroma sample for the four pixels it covers. This is how Android's cameras describe their frames.
 */
fun rgbOf(width: Int, height: Int, luma: Plane, blue: Plane, red: Plane): RgbImage {
    val out = ByteArray(3 * width * height)
    var at = 0
    for (y in 0 until height) {
        for (x in 0 until width) {
            val base = (luma.at(x, y) shl 16) + 0x8000
            val cb = blue.at(x / 2, y / 2) - 128
            val cr = red.at(x / 2, y / 2) - 128
            out[at++] = clipped(base + 91881 * cr)
            out[at++] = clipped(base - 22554 * cb - 46802 * cr)
            out[at++] = clipped(base + 116130 * cb)
        }
    }
    return RgbImage(width, height, out)
}

private fun clipped(value: Int): Byte = (value shr 16).coerceIn(0, 255).toByte()
