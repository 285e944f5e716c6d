package org.ferdeploy.core

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.roundToInt
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue

class CameraTest {
    private val random = java.util.Random(3)

    @Test
    fun `a box turns with its picture`() {
        val image = Picture(7, 5, IntArray(35) { it })
        val box = Box(1, 2, 4, 5)
        for (turns in -4..4) {
            val turned = image.turnedClockwise(turns).cropped(box.turnedClockwise(turns, 7, 5))
            assertContentEquals(image.cropped(box).turnedClockwise(turns).colours, turned.colours, "$turns turns")
        }
    }

    @Test
    fun `frames become upright squares, in colour and in grey, and the face moves with them`() {
        val (rgb, grey) = Upright(Colour.RGB) to Upright(Colour.GREY)
        for ((width, height) in listOf(12 to 8, 13 to 8, 12 to 9, 9 to 13, 8 to 8, 7 to 7, 1 to 3)) {
            for (turns in 0..3) for (semiPlanar in listOf(true, false)) {
                val frame = noise(random, width, height, semiPlanar)
                val upright = rgbOf(frame).turnedClockwise(turns)
                val middle = upright.middle()
                val what = "$width x $height, $turns turns"
                assertContentEquals(upright.cropped(middle).colours, rgb.of(frame, turns).colours, what)
                val wanted = greyOf(frame).turnedClockwise(turns).cropped(middle).colours
                assertContentEquals(wanted, grey.of(frame, turns - 4).colours, what)
                val face = Box(1, 0, 3, 2).turnedClockwise(turns, width, height)
                val moved = Box(face.left - middle.left, face.top - middle.top, face.right - middle.left, face.bottom - middle.top)
                assertEquals(moved, MiddleSquare(width, height, turns).moved(Box(1, 0, 3, 2)), what)
            }
        }
    }

    @Test
    fun `a front and a back camera turn opposite ways with the display`() {
        // What phones have: a sensor at 270 degrees in front, at 90 behind; then tablets whose sensor lies along.
        for ((sensor, front, wanted) in listOf(
            Triple(270, true, listOf(3, 0, 1, 2)), Triple(90, true, listOf(1, 2, 3, 0)), Triple(0, true, listOf(0, 1, 2, 3)),
            Triple(180, true, listOf(2, 3, 0, 1)), Triple(90, false, listOf(1, 0, 3, 2)), Triple(270, false, listOf(3, 2, 1, 0)),
            Triple(0, false, listOf(0, 3, 2, 1)), Triple(180, false, listOf(2, 1, 0, 3)),
        )) {
            assertEquals(wanted, listOf(0, 90, 180, 270).map { uprightTurns(sensor, it, front) }, "$sensor, front $front")
        }
    }

    /** A scene is put before a sensor by how it is built in and how the device is held; the turns must bring it back. */
    @Test
    fun `however the device is held the scene is upright`() {
        val scene = Picture(2, 2, intArrayOf(1, 2, 3, 4))
        for (front in listOf(true, false)) for (sensor in 0..3) for (display in 0..3) {
            // The display counts how far the picture on it is turned against the device, which is how far the device
            // itself is turned the other way. Seen from the front camera that is the same way again.
            val captured = scene.turnedClockwise(if (front) -sensor - display else -sensor + display)
            val turns = uprightTurns(90 * sensor, 90 * display, front)
            assertContentEquals(scene.colours, captured.turnedClockwise(turns).colours)
        }
    }

    @Test
    fun `an empty box is refused`() {
        assertFailsWith<IllegalArgumentException> { Box(3, 0, 3, 5) }
        assertFailsWith<IllegalArgumentException> { Picture(0, 3, IntArray(0)) }
    }

    @Test
    fun `a face of the sensor is found in a stream of another shape`() {
        val sensor = Box(0, 0, 4000, 3000)
        assertEquals(Box(160, 120, 320, 240), Box.fromSensor(Box(1000, 750, 2000, 1500), sensor, 640, 480))
        // 16:9 out of 4:3 loses 375 rows above and below.
        assertEquals(Box(160, 60, 320, 180), Box.fromSensor(Box(1000, 750, 2000, 1500), sensor, 640, 360))
        // Zoomed in by two: the stream shows the middle.
        assertEquals(Box(0, 0, 320, 240), Box.fromSensor(Box(1000, 750, 2000, 1500), Box(1000, 750, 3000, 2250), 640, 480))
        assertNull(Box.fromSensor(Box(0, 0, 900, 700), Box(1000, 750, 3000, 2250), 640, 480))
    }

    @Test
    fun `a box around eyes is square and has them above its middle`() {
        assertEquals(Box(45, 56, 155, 166), Box.aroundEyes(100.0, 100.0, 50.0))
        assertEquals(1, Box.aroundEyes(0.0, 0.0, 0.1).width)
    }

    @Test
    fun `frames become JFIF's colours, whatever their strides`() {
        for (semiPlanar in listOf(true, false)) {
            val frame = noise(random, 9, 9, semiPlanar)
            val image = Upright(Colour.RGB).of(frame, 0)
            for (y in 0 until 9) for (x in 0 until 9) {
                val value = frame.luma.at(x, y).toDouble()
                val cb = frame.blue.at(x / 2, y / 2) - 128.0
                val cr = frame.red.at(x / 2, y / 2) - 128.0
                val wanted = listOf(value + 1.402 * cr, value - 0.344136 * cb - 0.714136 * cr, value + 1.772 * cb)
                wanted.forEachIndexed { channel, exact ->
                    val got = image.colours[y * 9 + x] shr (16 - 8 * channel) and 0xFF
                    assertTrue(abs(got - exact.coerceIn(0.0, 255.0).roundToInt()) <= 1, "$got is not $exact")
                }
            }
        }
    }

    @Test
    fun `the camera's luma is the grey of its colours, but for those that no screen can show`() {
        val spec = InputSpec(48, 48, Colour.GREY, Kernel.BILINEAR, 0.0, emptyList(), emptyList())
        for ((spread, allowed) in listOf(64 to 1, 0 to 0)) { // muted colours, and none
            val frame = noise(random, 48, 48, semiPlanar = true, spread)
            val luma = FacePixels.of(Upright(Colour.GREY).of(frame, 1), spec, null)
            val grey = FacePixels.of(Upright(Colour.RGB).of(frame, 1), spec, null)
            for (index in luma.indices) assertTrue(abs((luma[index].toInt() and 0xFF) - (grey[index].toInt() and 0xFF)) <= allowed)
        }
    }

    @Test
    fun `a plane keeps its array`() {
        val plane = Plane()
        plane.fill(ByteBuffer.wrap(ByteArray(10) { 1 }), 5, 1)
        val bytes = plane.bytes
        plane.fill(ByteBuffer.wrap(ByteArray(8) { 2 }), 4, 2)
        assertTrue(bytes === plane.bytes && bytes[7] == 2.toByte() && plane.rowStride == 4 && plane.pixelStride == 2)
    }
}
