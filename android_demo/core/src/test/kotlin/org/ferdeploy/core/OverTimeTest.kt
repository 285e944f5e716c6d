package org.ferdeploy.core

import kotlin.math.exp
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull

class OverTimeTest {
    private val left = doubleArrayOf(1.0, 0.0)
    private val right = doubleArrayOf(0.0, 1.0)

    @Test
    fun `a step arrives with the time constant, whatever the frame rate`() {
        for (frames in listOf(1, 7, 60)) {
            val smoothing = Smoothing(seconds = 0.5, forgetAfter = 2.0)
            smoothing.add(10.0, left)
            var now = left
            for (frame in 1..frames) now = smoothing.add(10.0 + 0.5 * frame / frames, right)
            assertEquals(exp(-1.0), now[0], 1e-9)
            assertEquals(1.0, now.sum(), 1e-12)
        }
    }

    @Test
    fun `a new face starts anew`() {
        val smoothing = Smoothing(seconds = 0.5, forgetAfter = 2.0)
        assertContentEquals(left, smoothing.add(0.0, left))
        assertContentEquals(right, smoothing.add(2.1, right))
    }

    @Test
    fun `the last is held until it is forgotten`() {
        val smoothing = Smoothing(seconds = 0.5, forgetAfter = 2.0)
        assertNull(smoothing.held(0.0))
        smoothing.add(1.0, left)
        assertContentEquals(left, smoothing.held(3.0))
        assertNull(smoothing.held(3.1))
    }

    @Test
    fun `what is no number does not get into the average`() {
        val smoothing = Smoothing(seconds = 0.5, forgetAfter = 2.0)
        smoothing.add(1.0, left)
        assertFailsWith<IllegalArgumentException> { smoothing.add(1.1, doubleArrayOf(Double.NaN, 1.0)) }
        assertContentEquals(left, smoothing.held(1.2))
    }

    @Test
    fun `frames are timed over the last ones, and anew after a pause`() {
        val times = FrameTimes()
        assertNull(times.perSecond)
        assertNull(times.medianMs)
        for (frame in 0L until 100L) times.add(frame * 50_000_000, frame * 50_000_000 + 9_000_000)
        assertEquals(20.0, times.perSecond!!, 1e-9)
        assertEquals(9.0, times.medianMs!!, 1e-9)
        times.add(60_000_000_000, 60_030_000_000)
        assertNull(times.perSecond)
        assertEquals(30.0, times.medianMs!!, 1e-9)
    }

    @Test
    fun `history keeps its seconds`() {
        val history = History(seconds = 3.0)
        for (time in 0..5) history.add(time.toDouble(), left)
        assertEquals(listOf(2.0, 3.0, 4.0, 5.0), history.points.map { it.time })
        history.forgetBefore(4.5)
        assertEquals(listOf(5.0), history.points.map { it.time })
    }
}
