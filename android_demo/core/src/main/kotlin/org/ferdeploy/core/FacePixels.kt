package org.ferdeploy.core

/**
 * From an upright picture and a face box to the network's pixels: the same bytes as the Python reference
 * `fer_deploy/data/preprocess.py`, which is Pillow's integer arithmetic. Its arrays are made once and used again.
 */
class FacePixels(private val spec: InputSpec) {
    private val columns = Taps(spec.width, spec.resize)
    private val rows = Taps(spec.height, spec.resize)
    private val out = ByteArray(spec.channels * spec.height * spec.width)
    private val floats = FloatArray(out.size)
    private var plane = ByteArray(0)
    private var across = ByteArray(0)

    /**
     * Returns pixels (C, H, W) of the face in [box], widened by the contract's margin; null: all of [picture]. The next
     * call overwrites them.
     */
    fun of(picture: Picture, box: Box?): ByteArray {
        val face = box?.widened(spec.cropMargin) ?: Box(0, 0, picture.width, picture.height)
        columns.fit(face.width)
        rows.fit(face.height)
        if (plane.size < face.width * face.height) plane = ByteArray(face.width * face.height)
        if (across.size < spec.width * face.height) across = ByteArray(spec.width * face.height)
        for (channel in 0 until spec.channels) {
            cut(picture, face, channel)
            resize(face.width, face.height, channel * spec.width * spec.height)
        }
        return out
    }

    /** The same as the floats 0..255 that the network takes. */
    fun floats(picture: Picture, box: Box?): FloatArray {
        val pixels = of(picture, box)
        for (index in pixels.indices) floats[index] = (pixels[index].toInt() and 0xFF).toFloat()
        return floats
    }

    /** Fills [plane] with one channel of what is inside [face]; what lies outside the picture is black. */
    private fun cut(picture: Picture, face: Box, channel: Int) {
        val left = maxOf(face.left, 0)
        val right = minOf(face.right, picture.width)
        val top = maxOf(face.top, 0)
        val bottom = minOf(face.bottom, picture.height)
        if (right - left < face.width || bottom - top < face.height) plane.fill(0, 0, face.width * face.height)
        for (y in top until bottom) {
            var to = (y - face.top) * face.width + left - face.left
            for (from in y * picture.width + left until y * picture.width + right) {
                val colour = picture.colours[from]
                plane[to++] = (if (spec.colour == Colour.GREY) luma(colour) else colour shr (16 - 8 * channel)).toByte()
            }
        }
    }

    /** ITU-R 601 luma with 16 fractional bits, rounded half up. */
    private fun luma(colour: Int): Int =
        (19595 * (colour shr 16 and 0xFF) + 38470 * (colour shr 8 and 0xFF) + 7471 * (colour and 0xFF) + 0x8000) shr 16

    /** Along the width first, rounded to 8 bits, then along the height. */
    private fun resize(width: Int, height: Int, at: Int) {
        for (y in 0 until height) {
            for (x in 0 until spec.width) across[y * spec.width + x] = columns.weighed(plane, y * width, 1, x)
        }
        for (y in 0 until spec.height) {
            for (x in 0 until spec.width) out[at + y * spec.width + x] = rows.weighed(across, x, spec.width, y)
        }
    }

    companion object {
        /** Returns the pixels of one picture, in an array of its own. */
        fun of(picture: Picture, spec: InputSpec, box: Box?): ByteArray = FacePixels(spec).of(picture, box)

        /** Returns [pixels] as the floats 0..255 that the network takes. */
        fun floats(pixels: ByteArray): FloatArray = FloatArray(pixels.size) { (pixels[it].toInt() and 0xFF).toFloat() }
    }
}
