package org.ferdeploy.core

/** What happens to the camera, in whatever order the system tells it. */
enum class CameraEvent {
    /** The activity is in front. */
    RESUMED,

    /** The activity is no longer in front. */
    PAUSED,

    /** The activity is gone for good. */
    DESTROYED,

    /** A model is there that may classify. */
    READY,

    /** None is: another is being loaded, or it failed. */
    NOT_READY,

    GRANTED,
    DENIED,

    /** The device is open, after [CameraAction.OPEN]. */
    OPENED,

    /** The device is closed for good, or [CameraAction.OPEN] failed and there is none. */
    CLOSED,

    /** The device was taken away or has an error; it still has to be closed. */
    LOST,

    /** The time of [CameraAction.RETRY] is over. */
    RETRY_DUE,
}

/** What is to be done with the camera. */
enum class CameraAction {
    /** Ask for the permission; the answer is [CameraEvent.GRANTED] or [CameraEvent.DENIED]. */
    ASK,
    OPEN,

    /** Close the device; [CameraEvent.CLOSED] follows. */
    CLOSE,

    /** Wait for [CameraState.retryMs], then tell [CameraEvent.RETRY_DUE]. */
    RETRY,

    /** Say that the permission is missing and offer the system's settings. */
    OFFER_SETTINGS,

    /** Nothing comes any more: end the camera's thread. */
    RELEASE,
}

/**
 * Decides when the camera is opened and closed. It knows no Android, so that tests drive every order of events; not
 * thread-safe: tell it everything on one thread.
 *
 * A device that is being opened cannot be closed before the system hands it over. Who leaves meanwhile has it closed
 * then, and who comes back meanwhile waits for that: never is a camera open behind a paused app, nor opened twice.
 */
class CameraState(
    /** Whether the permission was asked for before, in an activity that the system has made anew. */
    asked: Boolean = false,
) {
    private enum class Device { CLOSED, OPENING, OPEN, CLOSING }

    private var device = Device.CLOSED
    private var resumed = false
    private var ready = false
    private var granted = false
    private var destroyed = false
    private var released = false
    private var losses = 0
    private var waiting = false

    /** Whether the permission was asked for: once is enough, the system shows the question again only so often. */
    var asked = asked
        private set

    /** Whether pictures may be handed on. */
    val running: Boolean get() = device == Device.OPEN && wanted

    /** How long to wait before the next try: 1 s, doubled to at most 8 s while tries fail. */
    val retryMs: Long get() = 1000L shl (losses - 1).coerceIn(0, 3)

    private val wanted get() = resumed && ready && granted && !destroyed

    /** Takes in [event] and returns what is to be done now. [CameraEvent.RESUMED] comes after one of the permission. */
    fun on(event: CameraEvent): List<CameraAction> {
        val actions = ArrayList<CameraAction>()
        when (event) {
            CameraEvent.RESUMED -> resumed = true
            CameraEvent.PAUSED -> resumed = false
            CameraEvent.DESTROYED -> destroyed = true
            CameraEvent.READY -> ready = true
            CameraEvent.NOT_READY -> ready = false
            CameraEvent.GRANTED -> granted = true
            CameraEvent.DENIED -> granted = false
            CameraEvent.RETRY_DUE -> waiting = false
            CameraEvent.OPENED -> if (device == Device.OPENING) {
                device = Device.OPEN
                losses = 0
            }
            CameraEvent.LOST -> if (device == Device.OPENING || device == Device.OPEN) {
                lost(actions)
                device = Device.CLOSING
                actions += CameraAction.CLOSE
            }
            CameraEvent.CLOSED -> {
                if (device == Device.OPENING) lost(actions)
                device = Device.CLOSED
            }
        }
        if (!resumed || destroyed) waiting = false // A new start is a new try.
        act(actions, event)
        return actions
    }

    private fun lost(actions: MutableList<CameraAction>) {
        losses++
        if (resumed && !waiting) {
            waiting = true
            actions += CameraAction.RETRY
        }
    }

    private fun act(actions: MutableList<CameraAction>, event: CameraEvent) {
        when {
            device == Device.OPEN && !wanted -> {
                device = Device.CLOSING
                actions += CameraAction.CLOSE
            }
            device == Device.CLOSED && wanted && !waiting -> {
                device = Device.OPENING
                actions += CameraAction.OPEN
            }
            device == Device.CLOSED && destroyed && !released -> {
                released = true
                actions += CameraAction.RELEASE
            }
            resumed && ready && !granted && !destroyed -> when {
                !asked -> {
                    asked = true
                    actions += CameraAction.ASK
                }
                event == CameraEvent.DENIED || event == CameraEvent.RESUMED || event == CameraEvent.READY ->
                    actions += CameraAction.OFFER_SETTINGS
            }
        }
    }
}
