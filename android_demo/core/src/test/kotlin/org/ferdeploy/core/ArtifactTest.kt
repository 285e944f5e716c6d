package org.ferdeploy.core

import java.io.File
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class ArtifactTest {
    private val folder: File = kotlin.io.path.createTempDirectory("artifact").toFile()

    @AfterTest
    fun remove() {
        folder.deleteRecursively()
    }

    private fun changed(file: String, from: String, to: String): String {
        Vectors.artifact.copyRecursively(folder, overwrite = true)
        val text = File(folder, file).readText()
        assertTrue(from in text, "the artifact of the vectors has no $from")
        File(folder, file).writeText(text.replaceFirst(from, to))
        return assertFailsWith<ArtifactException> { Artifact.open(folder) }.message!!
    }

    @Test
    fun `the artifact that Python wrote is read`() {
        val artifact = Artifact.open(Vectors.artifact)
        assertEquals(listOf("neutral", "happiness", "surprise"), artifact.info.contract.labels)
        assertEquals(
            InputSpec(16, 20, Colour.RGB, Kernel.BICUBIC, 0.1, listOf(120.0, 128.0, 131.5), listOf(64.0, 60.0, 70.25)),
            artifact.info.contract.input,
        )
        assertEquals(listOf(1, 3, 16, 20), artifact.info.contract.input.shape)
        assertEquals("onnx", artifact.info.target)
        assertEquals("1.0.0", artifact.info.versions["onnxruntime"])
        assertEquals(6, artifact.golden.vectors.size)
        assertEquals(3 * 16 * 20, artifact.golden.vectors[0].pixels.size)
    }

    @Test
    fun `what is wrong with a folder is said`() {
        val complaints = listOf(
            changed("artifact.json", "\"onnx\"", "7") to "artifact.json: target is of the wrong kind: 7.0",
            changed("artifact.json", "\"recipe\"", "\"reciqe\"") to "artifact.json: recipe is missing",
            changed("artifact.json", "\"1.0\"", "\"2.0\"") to "schema_version is 2.0; this app reads 1.x",
            changed("artifact.json", "\"bicubic\"", "\"lanczos\"") to "contract.input.resize is unknown to this app: lanczos",
            changed("artifact.json", "\"antialias\": true", "\"antialias\": false") to "antialias is false",
            changed("artifact.json", "\"height\": 16", "\"height\": 15") to "contract.input.height is not in 16..512: 15",
            changed("artifact.json", "\"height\": 16", "\"height\": 16.5") to "height is not a whole number: 16.5",
            changed("artifact.json", "\"width\": 20", "\"width\": 21") to "input.shape is [1, 3, 16, 20], not [1, 3, 16, 21]",
            changed("artifact.json", "\"happiness\"", "\"neutral\"") to "labels must be two or more",
            changed("artifact.json", "\"crop_margin\": 0.1", "\"crop_margin\": 1.1") to "crop_margin is not in 0..1",
            changed("artifact.json", "\"above\": 0.7", "\"above\": 1") to "contract.confidence.no_face.above is not between 0 and 1: 1.0",
            changed("artifact.json", "\"above\": 0.7", "\"above\": 0") to "no_face.above is not between 0 and 1: 0.0",
            changed("artifact.json", "\"weights\": [", "\"weights\": [1,") to "contract.confidence.no_face.weights has 4 values for 3 labels",
            changed("artifact.json", "\"energy\": -1.5", "\"energy\": 1e999") to "artifact.json is not JSON: expected a number that a double holds",
            changed("artifact.json", "\"bias\": 6.0,", "") to "contract.confidence.no_face.bias is missing",
            changed("artifact.json", "{", "") to "artifact.json is not JSON",
            changed("artifact.json", "\"file\": \"model.onnx\"", "\"file\": \"../x.onnx\"") to "does not exist",
            changed("model.onnx", "stand-in", "stand-out") to "is damaged: its sha256 is not the one in artifact.json",
            changed("golden.json", "\"artifact_sha256\": \"", "\"artifact_sha256\": \"0") to "are not of the same export",
            changed("golden.json", "\"pixels_base64\": \"", "\"pixels_base64\": \"AAAA") to "vectors.0.pixels_base64 holds 963 pixels, not 960",
            changed("golden.json", "\"pixels_base64\": \"", "\"pixels_base64\": \"AA?A") to "vectors.0.pixels_base64 is not base64",
            changed("golden.json", "\"logits\": [", "\"logits\": [1,") to "logits has 4 values for 3 labels",
        )
        for ((message, wanted) in complaints) assertTrue(wanted in message, "'$message' does not say '$wanted'")
    }

    @Test
    fun `a folder without an artifact is refused`() {
        val message = assertFailsWith<ArtifactException> { Artifact.open(folder) }.message!!
        assertTrue("$folder is not an artifact folder: artifact.json cannot be read" in message, message)
    }

    @Test
    fun `golden agrees with the right engine only`() {
        val golden = Artifact.open(Vectors.artifact).golden
        val right = golden.check(PixelEngine())
        assertTrue(right.agrees, "$right")
        assertTrue(right.worst < 1e-5)
        val wrong = golden.check(PixelEngine(error = 0.01f))
        assertFalse(wrong.agrees)
        assertEquals(0.01, wrong.worst, 1e-4)
        assertTrue("logits differ by up to 0.01" in "$wrong" && "beyond the allowed 0.001" in "$wrong", "$wrong")
        assertFalse(golden.check(PixelEngine(error = Float.NaN)).agrees)
        val short = object : Engine by PixelEngine() {
            override fun logits(pixels: FloatArray) = FloatArray(2)
        }
        assertFalse(golden.check(short).agrees)
    }

    @Test
    fun `base64 is the JDK's`() {
        val random = java.util.Random(1)
        for (size in 0..300) {
            val bytes = ByteArray(size).also(random::nextBytes)
            val text = java.util.Base64.getEncoder().encodeToString(bytes)
            assertTrue(bytes.contentEquals(Base64.decode(text)), text)
        }
        for (text in listOf("A", "AAA", "====", "AA=A", "A\nAA")) assertEquals(null, Base64.decode(text), text)
    }
}
