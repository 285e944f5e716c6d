package org.ferdeploy.core

/** A picture: [bytes] holds red, green, blue per pixel, row by row; [height] rows of [width] pixels. */
class RgbImage(val width: Int, val height: Int, val bytes: ByteArray) {
    init {
        require(width > 0 && height > 0) { "an image of $width x $height has no pixels" }
        require(bytes.size == 3 * width * height) { "${bytes.size} bytes are no RGB image of $width x $height" }
    }

    /** Returns the picture turned clockwise by [turns] quarter turns, as camera sensors need to stand upright. */
    fun turnedClockwise(turns: Int): RgbImage {
        val quarter = turns.mod(4)
        if (quarter == 0) return this
        val (newWidth, newHeight) = if (quarter == 2) width to height else height to width
        val out = ByteArray(bytes.size)
        for (y in 0 until newHeight) {
            for (x in 0 until newWidth) {
                val from = when (quarter) {
                    1 -> (height - 1 - x) * width + y
                    2 -> (height - 1 - y) * width + (width - 1 - x)
                    else -> x * width + (width - 1 - y)
                }
                bytes.copyInto(out, 3 * (y * newWidth + x), 3 * from, 3 * from + 3)
            }
        }
        return RgbImage(newWidth, newHeight, out)
    }

    /** Returns the pixels inside [box]; what lies outside the picture is black. */
    fun cropped(box: Box): RgbImage {
        val out = ByteArray(3 * box.width * box.height)
        val left = maxOf(box.left, 0)
        val right = minOf(box.right, width)
        if (left < right) {
            for (y in maxOf(box.top, 0) until minOf(box.bottom, height)) {
                val from = 3 * (y * width + left)
                bytes.copyInto(out, 3 * ((y - box.top) * box.width + left - box.left), from, from + 3 * (right - left))
            }
        }
        return RgbImage(box.width, box.height, out)
    }
}
