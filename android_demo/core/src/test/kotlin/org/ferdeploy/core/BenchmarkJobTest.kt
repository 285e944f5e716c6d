package org.ferdeploy.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class BenchmarkJobTest {
    private val scratch = kotlin.io.path.createTempDirectory("job").toFile()
    private val folder = File(scratch, "run").also { Vectors.artifact.copyRecursively(it) }
    private val results = File(scratch, "results")
    private val pixels = Artifact.open(folder).info.contract.input.shape.reduce(Int::times)

    @AfterTest
    fun remove() {
        scratch.deleteRecursively()
    }

    private fun put(images: Int) = File(folder, "inputs.f32").writeBytes(
        ByteBuffer.allocate(4 * images * pixels).order(ByteOrder.LITTLE_ENDIAN).also { buffer ->
            repeat(images * pixels) { buffer.putFloat((it % 251).toFloat()) }
        }.array(),
    )

    private fun run(protocol: String, engine: PixelEngine = PixelEngine()) =
        BenchmarkJob(folder, results).run({ _, _ -> engine }, protocol, FixedMemory(null, "no /proc"))

    private fun result() = Json.parse(File(results, "result.json").readText()) as Map<*, *>

    private fun error() = File(results, "error.txt").readText()

    @Test
    fun `logits of every image, in their order, and a timing`() {
        put(3)
        run("""{"min_runs": 4, "min_seconds": 0}""")
        assertEquals(setOf("logits.f32", "result.json"), results.list()!!.toSet())
        val logits = ByteBuffer.wrap(File(results, "logits.f32").readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        val wanted = List(3) { image -> List(3) { (image * pixels + it) % 251 / 10f } }.flatten().toFloatArray()
        assertContentEquals(wanted, FloatArray(logits.remaining()).also(logits::get))
        assertEquals(4, (result()["samples_ms"] as List<*>).size)
        assertEquals("0.0.1 in the Android demo", result()["runtime_version"])
    }

    @Test
    fun `without a protocol nothing is timed, and a wrong answer is still an answer`() {
        put(1)
        run("", PixelEngine(error = 1f))
        assertEquals(emptyList<Double>(), result()["samples_ms"])
        assertTrue(File(results, "logits.f32").isFile)
    }

    @Test
    fun `what goes wrong is one line and the only result`() {
        put(1)
        run("")
        for ((prepare, said) in listOf<Pair<() -> Any?, String>>(
            { put(0) } to "does not hold whole images",
            { File(folder, "inputs.f32").writeBytes(ByteArray(7)) } to "does not hold whole images",
            { File(folder, "inputs.f32").delete() } to "inputs.f32 cannot be read",
            { put(1); File(folder, "artifact.json").delete() } to "is not an artifact folder",
        )) {
            prepare()
            run("")
            assertEquals(listOf("error.txt"), results.list()!!.toList())
            assertTrue(said in error(), error())
            assertTrue('\n' !in error())
        }
    }

    @Test
    fun `a wrong answer is not timed and a broken protocol is refused`() {
        put(1)
        run("{}", PixelEngine(error = 1f))
        assertTrue("this device answers wrongly" in error(), error())
        run("{")
        assertTrue("the timing protocol is not JSON" in error(), error())
    }

    @Test
    fun `errors of a runtime are heard of too`() {
        put(1)
        BenchmarkJob(folder, results).run({ _, _ -> throw UnsatisfiedLinkError("no such\nlibrary") }, "", FixedMemory(null, null))
        assertEquals("no such library", error())
    }
}
