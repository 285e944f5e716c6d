package org.ferdeploy.core

import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue

class PreprocessingTest {
    @Test
    fun `every vector gives the bytes of the Python reference`() {
        val vectors = Vectors.document.getValue("vectors")
        assertTrue(vectors.size >= 200, "only ${vectors.size} vectors")
        val used = HashMap<InputSpec, FacePixels>() // As the app uses it: one for many pictures of different sizes.
        for ((index, vector) in vectors.withIndex()) {
            val spec = InputSpec(
                height = vector.int("out_height"),
                width = vector.int("out_width"),
                colour = Colour.valueOf(vector.text("color").uppercase()),
                resize = Kernel.valueOf(vector.text("resize").uppercase()),
                cropMargin = vector["crop_margin"] as Double,
                mean = emptyList(),
                std = emptyList(),
            )
            val image = picture(vector).turnedClockwise(vector.int("clockwise_quarter_turns"))
            val wanted = java.util.Base64.getDecoder().decode(vector.text("pixels_base64"))
            val box = Vectors.box(vector["box"])
            assertContentEquals(wanted, FacePixels.of(image, spec, box), "vector $index: $vector")
            assertContentEquals(wanted, used.getOrPut(spec) { FacePixels(spec) }.of(image, box), "vector $index: $vector")
        }
        println("${vectors.size} preprocessing vectors agree byte for byte")
    }

    @Test
    fun `boxes widen as in Python`() {
        for (row in Vectors.document.getValue("widened")) {
            assertEquals(Vectors.box(row["widened"]), Vectors.box(row["box"])!!.widened(row["margin"] as Double))
        }
    }

    @Test
    fun `answers are Python's`() {
        for (row in Vectors.document.getValue("answers")) {
            val logits = Vectors.numbers(row["logits"]).map { it.toFloat() }.toFloatArray()
            val rule = Vectors.noFace(row["no_face"])
            val confidence = Confidence(row["temperature"] as Double, row["unsure_below"] as Double, rule)
            val probabilities = softmax(logits, confidence.temperature)
            Vectors.numbers(row["probabilities"]).forEachIndexed { index, wanted ->
                assertEquals(wanted, probabilities[index], 1e-12)
            }
            val noFace = rule?.let { noFaceProbability(logits, it) }
            if (noFace == null) assertNull(row["no_face_probability"])
            else assertEquals(row["no_face_probability"] as Double, noFace, 1e-12)
            val said = answer(probabilities.toList(), noFace, confidence)
            assertEquals(row["answer"] as Double?, (said as? Answer.Label)?.index?.toDouble())
            assertEquals(row["why"] as String?, said.why)
        }
    }

    @Test
    fun `quantiles are Python's`() {
        for (row in Vectors.document.getValue("quantiles")) {
            for (percent in listOf(50, 90, 95, 99)) {
                assertEquals(row["p$percent"] as Double, quantile(Vectors.numbers(row["samples"]), percent / 100.0), 1e-12)
            }
        }
    }

    @Test
    fun `floats are pixels from 0 to 255`() {
        assertContentEquals(floatArrayOf(0f, 127f, 128f, 255f), FacePixels.floats(byteArrayOf(0, 127, -128, -1)))
    }
}
