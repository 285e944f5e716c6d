package org.ferdeploy.core

import java.nio.ByteBuffer

/** The frame path written for its meaning and not for speed; the tests hold the fast one to it. */
internal fun rgbOf(frame: Frame): Picture = Picture(frame.width, frame.height).also { picture ->
    for (y in 0 until frame.height) for (x in 0 until frame.width) {
        val base = (frame.luma.at(x, y) shl 16) + 0x8000
        val cb = frame.blue.at(x / 2, y / 2) - 128
        val cr = frame.red.at(x / 2, y / 2) - 128
        val (red, green, blue) = listOf(base + 91881 * cr, base - 22554 * cb - 46802 * cr, base + 116130 * cb)
            .map { (it shr 16).coerceIn(0, 255) }
        picture.colours[y * frame.width + x] = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
    }
}

internal fun greyOf(frame: Frame): Picture = Picture(frame.width, frame.height).also { picture ->
    for (y in 0 until frame.height) for (x in 0 until frame.width) {
        picture.colours[y * frame.width + x] = (0xFF shl 24) or frame.luma.at(x, y) * 0x010101
    }
}

internal fun Plane.at(x: Int, y: Int): Int = bytes[y * rowStride + x * pixelStride].toInt() and 0xFF

internal fun Picture.turnedClockwise(turns: Int): Picture {
    if (turns.mod(4) == 0) return this
    val once = Picture(height, width)
    for (y in 0 until once.height) for (x in 0 until once.width) {
        once.colours[y * once.width + x] = colours[(height - 1 - x) * width + y]
    }
    return once.turnedClockwise(turns.mod(4) - 1)
}

/** What is inside [box], transparent black outside the picture. */
internal fun Picture.cropped(box: Box): Picture = Picture(box.width, box.height).also { out ->
    for (y in 0 until out.height) for (x in 0 until out.width) {
        val (fromX, fromY) = box.left + x to box.top + y
        if (fromX in 0 until width && fromY in 0 until height) out.colours[y * out.width + x] = colours[fromY * width + fromX]
    }
}

internal fun Picture.middle(): Box {
    val side = minOf(width, height)
    return Box((width - side) / 2, (height - side) / 2, (width - side) / 2 + side, (height - side) / 2 + side)
}

/** A frame of noise; [semiPlanar] as most phones give it, blue and red interleaved in one buffer. */
internal fun noise(random: java.util.Random, width: Int, height: Int, semiPlanar: Boolean, spread: Int = 256): Frame {
    fun bytes(count: Int) = ByteArray(count) { (128 + (random.nextInt(256) - 128) * spread / 256).toByte() }
    val (wide, high) = (width + 1) / 2 to (height + 1) / 2
    return Frame().also {
        it.width = width
        it.height = height
        it.luma.fill(ByteBuffer.wrap(bytes((width + 7) * height)), width + 7, 1)
        if (semiPlanar) {
            val both = bytes((2 * wide + 4) * high + 1)
            it.blue.fill(ByteBuffer.wrap(both, 0, both.size - 1), 2 * wide + 4, 2)
            it.red.fill(ByteBuffer.wrap(both, 1, both.size - 1), 2 * wide + 4, 2)
        } else {
            it.blue.fill(ByteBuffer.wrap(bytes((wide + 3) * high)), wide + 3, 1)
            it.red.fill(ByteBuffer.wrap(bytes((wide + 3) * high)), wide + 3, 1)
        }
    }
}
