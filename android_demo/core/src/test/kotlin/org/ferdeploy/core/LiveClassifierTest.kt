package org.ferdeploy.core

import java.io.File
import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class LiveClassifierTest {
    private val artifact = Artifact.open(Vectors.artifact)
    private val image = Picture(60, 60, IntArray(60 * 60) { 0xFF shl 24 or (it * 0x15070E) })
    private val dark = Picture(60, 60, IntArray(60 * 60) { 0xFF shl 24 })
    private val box = Box(10, 20, 40, 50)

    @Test
    fun `a face gives the softmax of its pixels' logits`() {
        val state = LiveClassifier(artifact, PixelEngine()).state(Seen(image, box), 1.0)
        val pixels = FacePixels.of(image, artifact.info.contract.input, box)
        val confidence = artifact.info.contract.confidence
        assertEquals(Confidence(0.8, 0.6, NoFace(listOf(0.02, -0.01, 0.03), -1.5, 6.0, 0.7)), confidence)
        val logits = PixelEngine().logits(FacePixels.floats(pixels))
        assertContentEquals(softmax(logits, confidence.temperature).toList(), state.probabilities)
        assertEquals(answer(state.probabilities!!, noFaceProbability(logits, confidence.noFace!!), confidence), state.answer)
        assertNotEquals(Answer.NoFace, state.answer)
        assertEquals(listOf(1 / 6.0, 1 / 3.0, 2 / 3.0, 5 / 6.0), state.face)
        assertEquals(1, state.history.size)
        assertEquals(1, state.inferenceMs.size)
        assertTrue(assertNotNull(state.verdict).agrees)
    }

    @Test
    fun `without a face there are no probabilities, and history runs out`() {
        val classifier = LiveClassifier(artifact, PixelEngine())
        classifier.state(Seen(image, box), 1.0)
        assertEquals(1, classifier.state(Seen(image, null), 2.0).history.size)
        val later = classifier.state(Seen(image, null), 12.0)
        assertNull(later.probabilities)
        assertNull(later.answer)
        assertNull(later.face)
        assertEquals(0, later.history.size)
        assertTrue(abs(later.now - 12.0) < 1e-9)
    }

    @Test
    fun `what is no face is said, at once where no face was before`() {
        val state = LiveClassifier(artifact, PixelEngine()).state(Seen(dark, box), 1.0)
        assertEquals(Answer.NoFace, state.answer)
        assertNull(state.probabilities)
        assertEquals(0, state.history.size)
        assertNotNull(state.face)
    }

    @Test
    fun `a face that turns into none is held for a moment, and history keeps no point of it`() {
        val classifier = LiveClassifier(artifact, PixelEngine())
        classifier.state(Seen(image, box), 1.0)
        val doubt = classifier.state(Seen(dark, box), 1.1) // One frame is not enough.
        assertNotEquals(Answer.NoFace, doubt.answer)
        val held = classifier.state(Seen(dark, box), 1.6)
        assertEquals(Answer.NoFace, held.answer)
        assertEquals(doubt.probabilities, held.probabilities)
        assertEquals(2, held.history.size)
        val forgotten = classifier.state(Seen(dark, box), 2.2)
        assertEquals(Answer.NoFace, forgotten.answer)
        assertNull(forgotten.probabilities)
        assertEquals(2, forgotten.history.size)
        val back = classifier.state(Seen(image, box), 4.0)
        assertNotEquals(Answer.NoFace, back.answer)
        assertEquals(3, back.history.size)
    }

    @Test
    fun `without a rule every picture is taken for a face`() {
        val folder = kotlin.io.path.createTempDirectory("artifact").toFile()
        Vectors.artifact.copyRecursively(folder, overwrite = true)
        val file = File(folder, "artifact.json")
        file.writeText(file.readText().replace("\"no_face\"", "\"of a later version\""))
        val plain = Artifact.open(folder)
        folder.deleteRecursively()
        assertNull(plain.info.contract.confidence.noFace)
        val state = LiveClassifier(plain, PixelEngine()).state(Seen(dark, box), 1.0)
        assertEquals(Answer.Unsure, state.answer) // Black is a third of each label.
        assertEquals(1, state.history.size)
    }

    @Test
    fun `a device that disagrees classifies nothing`() {
        val engine = PixelEngine(error = 1f)
        val classifier = LiveClassifier(artifact, engine)
        val runs = engine.runs
        assertNull(classifier.state(Seen(image, box), 1.0).probabilities)
        assertEquals(runs, engine.runs)
    }

    @Test
    fun `logits that are no numbers leave no trace`() {
        val engine = object : Engine by PixelEngine() {
            var broken = false
            override fun logits(pixels: FloatArray) =
                if (broken) floatArrayOf(1f, Float.NaN, 2f) else PixelEngine().logits(pixels)
        }
        val classifier = LiveClassifier(artifact, engine)
        val before = classifier.state(Seen(image, box), 1.0)
        engine.broken = true
        val broken = classifier.state(Seen(image, box), 1.1)
        assertEquals(Answer.NoNumbers, broken.answer)
        assertEquals(before.probabilities, broken.probabilities) // held, as for what is no face
        assertEquals(1, broken.history.size)
        assertNull(classifier.state(Seen(image, box), 3.0).probabilities)
        engine.broken = false
        val after = classifier.state(Seen(image, box), 3.1)
        assertEquals(before.probabilities, after.probabilities)
        assertEquals(before.answer, after.answer)
    }

    @Test
    fun `frames are counted from their arrival, with a face and without`() {
        var now = 0L
        val classifier = LiveClassifier(artifact, PixelEngine(), "something, 2 threads")
        for (frame in 0 until 5) {
            now = frame * 40_000_000L
            val arrived = now
            now += 7_000_000 // until the classifier gets it
            val state = classifier.state(Seen(image, if (frame % 2 == 0) box else null, arrived), now / 1e9) { now }
            assertEquals(7.0, assertNotNull(state.frameMs), 1e-9)
            if (frame > 0) assertEquals(25.0, assertNotNull(state.framesPerSecond), 1e-9)
            assertTrue(state.title.endsWith("on something, 2 threads"))
        }
        assertNull(classifier.state(null, now / 1e9) { now }.problem)
    }

    @Test
    fun `what failed is said`() {
        assertEquals("no luck", LiveClassifier.failed("no luck").problem)
    }
}
