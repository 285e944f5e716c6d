package org.ferdeploy.core

import kotlin.math.PI
import kotlin.math.sin
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class ScreenTest {
    private val screen = Screen(1080f, 2340f)
    private val artifact = Artifact.open(Vectors.artifact)
    private val labels = listOf("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")

    private fun probabilities(time: Double) = softmax(
        FloatArray(8) { (2.4 * sin(2 * PI * (time / 9 + it / 8.0)) + if (it == 1) time / 4 else 0.0).toFloat() },
    ).toList()

    private val running = LiveClassifier.blank(artifact).copy(
        title = "a model, w8a8-ptq, on ONNX Runtime CPU, 1 thread",
        labels = labels,
        verdict = GoldenVerdict(0.0, "blobs-2", 0.2713),
        probabilities = probabilities(10.0),
        answer = Answer.Label(1),
        history = (0..100).map { History.Point(it / 10.0, probabilities(it / 10.0)) },
        now = 10.0,
        face = listOf(0.28, 0.22, 0.72, 0.78),
        inferenceMs = List(100) { 1.0 + it / 100.0 },
        framesPerSecond = 23.84,
        frameMs = 11.52,
        mirrored = true,
    )
    private val unsure = running.copy(answer = Answer.Unsure)
    private val noFace = running.copy(answer = Answer.NoFace)
    private val disagreeing = running.copy(verdict = GoldenVerdict(0.8125, "checkerboard", 0.2713), face = null)
    private val waiting = LiveClassifier.blank(artifact).copy(labels = labels)
    private val failed = LiveClassifier.failed(
        "model file /data/user/0/org.ferdeploy.demo/files/artifact/model.onnx is damaged: " +
            "its sha256 is not the one in artifact.json",
    )

    private val denied = LiveClassifier.failed("the demo needs the camera: allow it in the system's settings", settings = true)

    private fun highlighted(state: ScreenState) = screen.shapes(state).filterIsInstance<Shape.Text>()
        .filter { it.colour == 0xFFFFFFFF }.map { it.text }.filter { it in labels }

    private fun bars(state: ScreenState) = screen.shapes(state).filterIsInstance<Shape.Rectangle>().drop(2)
        .take(2 * labels.size).filterIndexed { index, _ -> index % 2 == 1 }

    private fun texts(state: ScreenState) = screen.shapes(state).filterIsInstance<Shape.Text>().map { it.text }

    @Test
    fun `everything lies on the screen`() {
        for (state in listOf(running, unsure, noFace, disagreeing, waiting, failed, denied)) {
            for (size in listOf(1080f to 2340f, 720f to 1280f, 1200f to 1600f)) {
                for (shape in Screen(size.first, size.second).shapes(state)) {
                    val points = when (shape) {
                        is Shape.Rectangle -> listOf(shape.x to shape.y, shape.x + shape.width to shape.y + shape.height)
                        is Shape.Frame -> listOf(shape.x to shape.y, shape.x + shape.width to shape.y + shape.height)
                        is Shape.Text -> listOf(shape.x to shape.y - shape.size, shape.x to shape.y)
                        is Shape.Curve -> shape.points.toList().chunked(2) { (x, y) -> x to y }
                    }
                    for ((x, y) in points) {
                        assertTrue(x in -0.5f..size.first + 0.5f && y in -0.5f..size.second + 0.5f, "$shape at $size")
                    }
                }
            }
        }
    }

    @Test
    fun `a bar is as long as its probability`() {
        val bars = screen.shapes(running).filterIsInstance<Shape.Rectangle>().drop(2)
        for ((index, probability) in running.probabilities!!.withIndex()) {
            assertEquals(probability, (bars[2 * index + 1].width / bars[2 * index].width).toDouble(), 1e-4)
        }
    }

    @Test
    fun `without a label the reason is said and none is highlighted`() {
        assertEquals(listOf("happiness"), highlighted(running))
        assertFalse(texts(running).any { it == "unsure" || it == "no face" })
        for ((state, why) in listOf(unsure to "unsure", noFace to "no face")) {
            assertEquals(emptyList(), highlighted(state))
            assertEquals(listOf(why), texts(state).filter { it == "unsure" || it == "no face" })
        }
    }

    @Test
    fun `bars and frame dim for what is no face`() {
        assertEquals(bars(running), bars(unsure))
        assertEquals(bars(running).map { it.width }, bars(noFace).map { it.width })
        assertEquals(1, bars(noFace).map { it.fill }.toSet().size)
        val frames = listOf(running, noFace).map { screen.shapes(it).filterIsInstance<Shape.Frame>().single().colour }
        assertEquals(listOf(0xFFFFFFFF, 0xFFA9B4C0), frames)
        val forgotten = noFace.copy(probabilities = null)
        assertTrue("no face" in texts(forgotten) && texts(forgotten).none { "%" in it })
    }

    @Test
    fun `a device that disagrees shows red and no probabilities`() {
        assertTrue("Wrong answers on this device" in texts(disagreeing))
        assertFalse(texts(disagreeing).any { '%' in it || it in labels })
        val banner = screen.shapes(disagreeing).filterIsInstance<Shape.Rectangle>()[1]
        assertEquals(0xFFB3261E, banner.fill)
        assertTrue("Self-check passed" in texts(running))
        assertTrue(texts(running).containsAll(labels))
    }

    @Test
    fun `speed is said to be this device's`() {
        assertTrue("inference p50 1.50 ms, p95 1.94 ms over the last 100 frames" in texts(running))
        assertTrue("no inference yet" in texts(waiting))
        assertTrue("23.8 frames/s, 11.5 ms from a frame's arrival to its answer" in texts(running))
        assertTrue("no frames yet" in texts(waiting))
    }

    @Test
    fun `a mirrored picture has its face frame on the other side`() {
        val (mirrored, plain) = listOf(running, running.copy(mirrored = false))
            .map { screen.shapes(it).filterIsInstance<Shape.Frame>().single() }
        assertEquals(screen.cameraSide, mirrored.x + mirrored.width + plain.x, 1e-2f)
        assertEquals(plain.copy(x = mirrored.x), mirrored)
    }

    @Test
    fun `options are always there, the settings where they help`() {
        for (state in listOf(running, disagreeing, waiting, failed, denied)) {
            val buttons = screen.buttons(state)
            assertEquals(if (state === denied) listOf(Tap.OPTIONS, Tap.SETTINGS) else listOf(Tap.OPTIONS), buttons.map { it.tap })
            for (button in buttons) {
                assertTrue(button.text in texts(state))
                assertEquals(button.tap, screen.tapped(state, button.x + button.width / 2, button.y + button.height / 2))
                // Android asks for 48 dp; the phone's 1080 pixels are 360 dp.
                assertTrue(button.height >= 130 && button.width >= 130)
            }
            assertNull(screen.tapped(state, 500f, 1500f))
        }
    }

    @Test
    fun `long words are broken`() {
        assertEquals(listOf("ab cd", "efghi", "jk"), Screen.wrapped("ab cd efghijk", 5))
        assertEquals(emptyList(), Screen.wrapped("", 5))
    }

    /** -Dscreens=FOLDER: draws the README's pictures from the very shapes that the phone draws. */
    @Test
    fun `pictures for the README`() {
        val folder = System.getProperty("screens") ?: return
        for ((name, state) in listOf("running" to running, "disagreeing" to disagreeing, "denied" to denied)) {
            picture(screen.shapes(state), screen.cameraSide, java.io.File(folder, "$name.png"), drawFace = state.face != null)
        }
    }
}
