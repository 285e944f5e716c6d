package org.ferdeploy.core

import java.nio.ByteBuffer

/** One plane of a camera frame: [pixelStride] bytes from one sample to the next, [rowStride] from row to row. */
class Plane {
    var bytes = ByteArray(0)
        private set
    var rowStride = 0
        private set
    var pixelStride = 1
        private set

    /** Takes over what [buffer] holds; the array grows with the first frame and is used again for the others. */
    fun fill(buffer: ByteBuffer, rowStride: Int, pixelStride: Int) {
        val count = buffer.remaining()
        if (bytes.size < count) bytes = ByteArray(count)
        buffer.get(bytes, 0, count)
        this.rowStride = rowStride
        this.pixelStride = pixelStride
    }
}

/** A YUV 4:2:0 frame, as Android's cameras give it; filled anew with every frame. */
class Frame {
    var width = 0
    var height = 0
    val luma = Plane()
    val blue = Plane()
    val red = Plane()
}

/**
 * Quarter turns clockwise that make a camera's frame stand upright on the screen.
 *
 * [sensorDegrees] is how the sensor is built in (Android's SENSOR_ORIENTATION), [displayDegrees] how the display is
 * turned from its natural position (Display.getRotation). A front camera looks the other way, so its turns add up.
 */
fun uprightTurns(sensorDegrees: Int, displayDegrees: Int, front: Boolean): Int =
    ((if (front) sensorDegrees + displayDegrees else sensorDegrees - displayDegrees) / 90).mod(4)

/** The middle square of a frame of [width] x [height] that is turned clockwise by [turns] quarter turns. */
class MiddleSquare(private val width: Int, private val height: Int, private val turns: Int) {
    val side = minOf(width, height)
    private val left = ((if (turns % 2 == 0) width else height) - side) / 2
    private val top = ((if (turns % 2 == 0) height else width) - side) / 2

    /** The square's first column and row in the frame itself. */
    val column = when (turns) { 0 -> left; 1 -> top; 2 -> width - left - side; else -> width - top - side }
    val row = when (turns) { 0 -> top; 1 -> height - left - side; 2 -> height - top - side; else -> left }

    /** Where the frame's pixel at ([column], [row]) goes in the square, and how far its neighbours are from there. */
    val start = when (turns) { 0 -> 0; 1 -> side - 1; 2 -> side * side - 1; else -> (side - 1) * side }
    val perColumn = when (turns) { 0 -> 1; 1 -> side; 2 -> -1; else -> -side }
    val perRow = when (turns) { 0 -> side; 1 -> -1; 2 -> -side; else -> 1 }

    /** Returns where a [box] of the frame lies in the square. */
    fun moved(box: Box): Box = box.turnedClockwise(turns, width, height).let {
        Box(it.left - left, it.top - top, it.right - left, it.bottom - top)
    }
}

/**
 * Makes frames upright squares: their middle, turned, in [colour]. A network that sees grey is given the camera's own
 * luma, and the two colour planes are not even read. There is one picture, which the next frame overwrites.
 */
class Upright(val colour: Colour) {
    private var picture = Picture(1, 1)
    private var terms = IntArray(0)

    fun of(frame: Frame, turns: Int): Picture {
        val square = MiddleSquare(frame.width, frame.height, turns.mod(4))
        if (picture.width != square.side) picture = Picture(square.side, square.side)
        if (colour == Colour.GREY) grey(frame.luma, square) else rgb(frame, square)
        return picture
    }

    private fun grey(luma: Plane, square: MiddleSquare) {
        val out = picture.colours
        val bytes = luma.bytes
        val step = luma.pixelStride
        for (y in 0 until square.side) {
            var from = (square.row + y) * luma.rowStride + square.column * step
            var to = square.start + y * square.perRow
            repeat(square.side) {
                out[to] = OPAQUE or (bytes[from].toInt() and 0xFF) * 0x010101
                from += step
                to += square.perColumn
            }
        }
    }

    /** JFIF's full-range ITU-R 601 with 16 fractional bits, each chroma sample for the four pixels that it covers. */
    private fun rgb(frame: Frame, square: MiddleSquare) {
        val first = square.column / 2
        val last = (square.column + square.side - 1) / 2
        if (terms.size < 3 * (last - first + 1)) terms = IntArray(3 * (last - first + 1))
        var chromaRow = -1
        for (y in square.row until square.row + square.side) {
            if (y / 2 != chromaRow) {
                chromaRow = y / 2
                chroma(frame, chromaRow, first, last)
            }
            coloured(frame.luma, square, y)
        }
    }

    private fun coloured(luma: Plane, square: MiddleSquare, y: Int) {
        val out = picture.colours
        val bytes = luma.bytes
        val terms = terms
        val step = luma.pixelStride
        var from = y * luma.rowStride + square.column * step
        var to = square.start + (y - square.row) * square.perRow
        val odd = square.column and 1
        for (x in odd until square.side + odd) {
            val base = ((bytes[from].toInt() and 0xFF) shl 16) + 0x8000
            val term = 3 * (x shr 1)
            out[to] = OPAQUE or (clipped(base + terms[term]) shl 16) or
                (clipped(base + terms[term + 1]) shl 8) or clipped(base + terms[term + 2])
            from += step
            to += square.perColumn
        }
    }

    /** What one row of chroma adds to red, green and blue, once for the two rows of pixels that it covers. */
    private fun chroma(frame: Frame, row: Int, first: Int, last: Int) {
        val blue = frame.blue
        val red = frame.red
        var at = 0
        for (x in first..last) {
            val cb = (blue.bytes[row * blue.rowStride + x * blue.pixelStride].toInt() and 0xFF) - 128
            val cr = (red.bytes[row * red.rowStride + x * red.pixelStride].toInt() and 0xFF) - 128
            terms[at++] = 91881 * cr
            terms[at++] = -22554 * cb - 46802 * cr
            terms[at++] = 116130 * cb
        }
    }

    /** By minimum and maximum, which compilers make without a branch. */
    private fun clipped(value: Int): Int = maxOf(0, minOf(255, value shr 16))

    private companion object {
        const val OPAQUE = 0xFF shl 24
    }
}
