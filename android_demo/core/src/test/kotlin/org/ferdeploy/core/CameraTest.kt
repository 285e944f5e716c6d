package org.ferdeploy.core

import kotlin.math.abs
import kotlin.math.roundToInt
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue

class CameraTest {
    private fun numbered(width: Int, height: Int) =
        RgbImage(width, height, ByteArray(3 * width * height) { it.toByte() })

    @Test
    fun `a box turns with its picture`() {
        val image = numbered(7, 5)
        val box = Box(1, 2, 4, 5)
        for (turns in -4..4) {
            val turned = image.turnedClockwise(turns).cropped(box.turnedClockwise(turns, 7, 5))
            assertContentEquals(image.cropped(box).turnedClockwise(turns).bytes, turned.bytes, "$turns turns")
        }
        assertContentEquals(image.bytes, image.turnedClockwise(1).turnedClockwise(3).bytes)
    }

    @Test
    fun `the middle square is cut out and the face moves with it`() {
        val wide = numbered(4, 2)
        val seen = Seen.middleOf(wide, Box(2, 0, 4, 1))
        assertContentEquals(byteArrayOf(3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20), seen.picture.bytes)
        assertEquals(Box(1, 0, 3, 1), seen.face)
        assertNull(Seen.middleOf(wide, null).face)
    }

    @Test
    fun `an empty box is refused`() {
        assertFailsWith<IllegalArgumentException> { Box(3, 0, 3, 5) }
        assertFailsWith<IllegalArgumentException> { RgbImage(0, 3, ByteArray(0)) }
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
        val random = java.util.Random(3)
        val (width, height) = 9 to 7
        val luma = Plane(ByteArray(16 * height).also(random::nextBytes), 16, 1)
        // Semi-planar, as most phones give it: blue and red interleaved in one buffer.
        val chroma = ByteArray(12 * 5).also(random::nextBytes)
        val blue = Plane(chroma, 12, 2)
        val red = Plane(chroma.copyOfRange(1, chroma.size), 12, 2)
        val image = rgbOf(width, height, luma, blue, red)
        for (y in 0 until height) for (x in 0 until width) {
            val value = luma.at(x, y).toDouble()
            val cb = blue.at(x / 2, y / 2) - 128.0
            val cr = red.at(x / 2, y / 2) - 128.0
            val wanted = listOf(value + 1.402 * cr, value - 0.344136 * cb - 0.714136 * cr, value + 1.772 * cb)
            wanted.forEachIndexed { channel, exact ->
                val got = image.bytes[3 * (y * width + x) + channel].toInt() and 0xFF
                assertTrue(abs(got - exact.coerceIn(0.0, 255.0).roundToInt()) <= 1, "$got is not $exact")
            }
        }
    }

    @Test
    fun `grey frames stay grey to the byte`() {
        val luma = Plane(ByteArray(256) { it.toByte() }, 16, 1)
        val middle = Plane(ByteArray(64) { -128 }, 8, 1)
        val image = rgbOf(16, 16, luma, middle, middle)
        assertContentEquals(ByteArray(768) { (it / 3).toByte() }, image.bytes)
    }
}
