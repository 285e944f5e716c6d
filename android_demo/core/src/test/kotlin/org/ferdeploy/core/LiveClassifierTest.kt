package org.ferdeploy.core

import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class LiveClassifierTest {
    private val artifact = Artifact.open(Vectors.artifact)
    private val image = RgbImage(60, 60, ByteArray(3 * 60 * 60) { (it * 7).toByte() })
    private val box = Box(10, 20, 40, 50)

    @Test
    fun `a face gives the softmax of its pixels' logits`() {
        val state = LiveClassifier(artifact, PixelEngine()).state(Seen(image, box), 1.0)
        val pixels = FacePixels.of(image, artifact.info.contract.input, box)
        val confidence = artifact.info.contract.confidence
        assertEquals(Confidence(temperature = 0.8, unsureBelow = 0.6), confidence)
        val logits = PixelEngine().logits(FacePixels.floats(pixels))
        assertContentEquals(softmax(logits, confidence.temperature).toList(), state.probabilities)
        assertEquals(confidence.unsureBelow, state.unsureBelow)
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
        assertNull(later.face)
        assertEquals(0, later.history.size)
        assertTrue(abs(later.now - 12.0) < 1e-9)
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
    fun `what failed is said`() {
        assertEquals("no luck", LiveClassifier.failed("no luck").problem)
    }
}
