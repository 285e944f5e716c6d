package org.ferdeploy.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.ferdeploy.core.CameraAction.ASK
import org.ferdeploy.core.CameraAction.CLOSE
import org.ferdeploy.core.CameraAction.OFFER_SETTINGS
import org.ferdeploy.core.CameraAction.OPEN
import org.ferdeploy.core.CameraAction.RELEASE
import org.ferdeploy.core.CameraAction.RETRY
import org.ferdeploy.core.CameraEvent.CLOSED
import org.ferdeploy.core.CameraEvent.DENIED
import org.ferdeploy.core.CameraEvent.DESTROYED
import org.ferdeploy.core.CameraEvent.GRANTED
import org.ferdeploy.core.CameraEvent.LOST
import org.ferdeploy.core.CameraEvent.NOT_READY
import org.ferdeploy.core.CameraEvent.OPENED
import org.ferdeploy.core.CameraEvent.PAUSED
import org.ferdeploy.core.CameraEvent.READY
import org.ferdeploy.core.CameraEvent.RESUMED
import org.ferdeploy.core.CameraEvent.RETRY_DUE

class CameraStateTest {
    private fun after(vararg events: CameraEvent, state: CameraState = CameraState()) = events.map(state::on)

    private fun started() = CameraState().also { after(GRANTED, RESUMED, READY, OPENED, state = it) }

    @Test
    fun `it opens when all is there, whatever came last`() {
        for (order in listOf(listOf(GRANTED, RESUMED, READY), listOf(READY, GRANTED, RESUMED), listOf(RESUMED, READY, GRANTED))) {
            assertEquals(listOf(OPEN), after(*order.toTypedArray()).last() - ASK)
        }
    }

    @Test
    fun `denied means one question, then the settings, and no loop`() {
        val state = CameraState()
        assertEquals(listOf(ASK), after(DENIED, RESUMED, READY, state = state).flatten())
        // The dialog pauses the activity; its end tells the answer and resumes it, which used to ask again.
        assertEquals(listOf(OFFER_SETTINGS), after(PAUSED, DENIED, DENIED, RESUMED, state = state).flatten())
        repeat(3) { assertEquals(listOf(OFFER_SETTINGS), after(PAUSED, DENIED, RESUMED, state = state).flatten()) }
        assertEquals(listOf(OPEN), after(PAUSED, GRANTED, RESUMED, state = state).flatten())
        assertEquals(listOf(OFFER_SETTINGS), after(DENIED, RESUMED, READY, state = CameraState(asked = true)).flatten().distinct())
    }

    @Test
    fun `left while the model loads, nothing opens behind the app`() {
        val state = CameraState()
        assertEquals(emptyList(), after(GRANTED, RESUMED, PAUSED, READY, state = state).flatten())
        assertEquals(listOf(OPEN), state.on(RESUMED))
    }

    @Test
    fun `left before it is open, it is closed as soon as it is`() {
        val state = CameraState()
        assertEquals(listOf(OPEN), after(GRANTED, RESUMED, READY, PAUSED, state = state).flatten())
        assertEquals(listOf(CLOSE), state.on(OPENED))
        assertFalse(state.running)
        assertEquals(emptyList(), state.on(RESUMED)) // It waits for the close.
        assertEquals(listOf(OPEN), state.on(CLOSED))
    }

    @Test
    fun `left and back before it is open, it just goes on`() {
        val state = CameraState()
        assertEquals(listOf(OPEN), after(GRANTED, RESUMED, READY, PAUSED, RESUMED, OPENED, state = state).flatten())
        assertTrue(state.running)
    }

    @Test
    fun `lost, it is closed and tried again, ever more slowly`() {
        val state = started()
        assertTrue(state.running)
        assertEquals(listOf(RETRY, CLOSE), state.on(LOST))
        val waits = ArrayList<Long>()
        repeat(5) {
            assertEquals(emptyList(), state.on(CLOSED))
            waits += state.retryMs
            assertEquals(listOf(OPEN), state.on(RETRY_DUE))
            assertEquals(listOf(RETRY, CLOSE), state.on(LOST))
        }
        assertEquals(listOf(1000L, 2000, 4000, 8000, 8000), waits)
        assertEquals(listOf(OPEN), after(CLOSED, RETRY_DUE, OPENED, state = state).flatten())
        assertEquals(1000, state.also { it.on(LOST) }.retryMs)
    }

    @Test
    fun `an open that fails is tried again, and a new start does not wait`() {
        val state = CameraState()
        assertEquals(listOf(OPEN, RETRY), after(GRANTED, RESUMED, READY, CLOSED, state = state).flatten())
        assertEquals(listOf(OPEN), after(PAUSED, RESUMED, state = state).flatten())
    }

    @Test
    fun `another model closes and opens it`() {
        val state = started()
        assertEquals(listOf(CLOSE), state.on(NOT_READY))
        assertEquals(listOf(OPEN), after(CLOSED, READY, state = state).flatten())
    }

    @Test
    fun `destroyed while opening, the thread ends after the close`() {
        val state = CameraState()
        after(GRANTED, RESUMED, READY, PAUSED, DESTROYED, state = state)
        assertEquals(listOf(CLOSE), state.on(OPENED))
        assertEquals(listOf(RELEASE), state.on(CLOSED))
        assertEquals(emptyList(), after(RETRY_DUE, READY, state = state).flatten())
        assertEquals(listOf(RELEASE), after(DESTROYED).flatten())
    }

    /** Plays Android: what the system may tell after each action, and what must never happen. */
    private class Phone(val state: CameraState = CameraState()) {
        var opening = false
        var open = false
        var closing = false
        var retries = 0
        var asks = 0
        var released = false
        var resumed = false
        var granted = false
        var ready = false
        var destroyed = false

        fun possible() = buildList {
            if (!destroyed) {
                addAll(if (resumed) listOf(PAUSED) else listOf(RESUMED, DESTROYED))
                add(if (ready) NOT_READY else READY)
                if (!resumed) add(if (granted) DENIED else GRANTED)
            }
            if (opening) addAll(listOf(OPENED, LOST, CLOSED))
            if (open && !closing) add(LOST)
            if (closing) add(CLOSED)
            if (retries > 0) add(RETRY_DUE)
        }

        fun tell(event: CameraEvent) {
            when (event) {
                RESUMED, PAUSED -> resumed = event == RESUMED
                GRANTED, DENIED -> granted = event == GRANTED
                READY, NOT_READY -> ready = event == READY
                DESTROYED -> destroyed = true
                OPENED, LOST -> if (opening) { opening = false; open = true }
                CLOSED -> { opening = false; open = false; closing = false }
                RETRY_DUE -> retries--
            }
            for (action in state.on(event)) when (action) {
                OPEN -> {
                    check(!opening && !open && !closing && resumed && granted && ready && !destroyed && !released)
                    opening = true
                }
                CLOSE -> { check(open && !closing); closing = true }
                RETRY -> { check(resumed && !destroyed); retries++ }
                ASK -> { check(resumed && !granted); asks++ }
                RELEASE -> { check(!released && destroyed && !opening && !open); released = true }
                OFFER_SETTINGS -> check(resumed && !granted && asks > 0)
            }
            check(asks <= 1)
            check(state.running == (open && !closing && resumed && granted && ready && !destroyed))
        }

        /** Lets everything that is under way come to its end, well: then the camera is open when it should be. */
        fun settle() {
            repeat(20) {
                when {
                    opening -> tell(OPENED)
                    closing -> tell(CLOSED)
                    retries > 0 -> tell(RETRY_DUE)
                }
            }
            val wanted = resumed && granted && ready && !destroyed
            check(open == wanted && !opening && !closing && released == destroyed)
        }
    }

    @Test
    fun `no order of events leaves it open behind the app, closed before it, or opened twice`() {
        var orders = 0
        fun walk(told: List<CameraEvent>, depth: Int) {
            val phone = Phone()
            try {
                told.forEach(phone::tell)
                val next = phone.possible()
                if (depth > 0) next.forEach { walk(told + it, depth - 1) }
                phone.settle()
            } catch (error: IllegalStateException) {
                throw AssertionError("after $told", error)
            }
            orders++
        }
        walk(emptyList(), 6)
        for (prefix in listOf(listOf(GRANTED, RESUMED, READY), listOf(GRANTED, RESUMED, READY, OPENED, LOST))) walk(prefix, 7)
        assertTrue(orders > 10_000, "$orders orders")
    }
}
