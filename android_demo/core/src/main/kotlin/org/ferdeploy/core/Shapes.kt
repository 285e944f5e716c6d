package org.ferdeploy.core

/** What the screen is made of; all lengths in pixels, colours as 0xAARRGGBB. */
sealed interface Shape {
    data class Rectangle(val x: Float, val y: Float, val width: Float, val height: Float, val fill: Long) : Shape

    data class Frame(val x: Float, val y: Float, val width: Float, val height: Float, val line: Float, val colour: Long) :
        Shape

    /** [y] is the baseline; [x] the start, or the end when [atEnd]. */
    data class Text(val text: String, val x: Float, val y: Float, val size: Float, val colour: Long, val atEnd: Boolean = false) :
        Shape

    /** [points] are x and y in turn. */
    class Curve(val points: FloatArray, val line: Float, val colour: Long) : Shape
}

/** What there is to show; null where there is nothing yet. */
data class ScreenState(
    val title: String,
    val labels: List<String>,
    val trainedOn: String?,
    val verdict: GoldenVerdict?,
    val problem: String?,
    val probabilities: List<Double>?,
    val history: List<History.Point>,
    val historySeconds: Double,
    val now: Double,
    /** The face in fractions of the upright picture: left, top, right, bottom. */
    val face: List<Double>?,
    val inferenceMs: List<Double>,
    /** What the model says of the face now; when that is [Answer.NoFace], [probabilities] are of the face before. */
    val answer: Answer? = null,
    /** Frames per second, and a frame's milliseconds from its arrival to its answer. */
    val framesPerSecond: Double? = null,
    val frameMs: Double? = null,
    /** Whether the camera's picture is shown as in a mirror; [face] is that of the picture itself. */
    val mirrored: Boolean = false,
    /** Whether the system's settings are offered, since only there the camera can be allowed. */
    val offersSettings: Boolean = false,
)

/** What a tap asks for. */
enum class Tap { OPTIONS, SETTINGS }

/** A place to tap on. */
data class Button(val tap: Tap, val text: String, val x: Float, val y: Float, val width: Float, val height: Float)
