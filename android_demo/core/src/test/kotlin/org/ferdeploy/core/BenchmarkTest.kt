package org.ferdeploy.core

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class BenchmarkTest {
    private val artifact = Artifact.open(Vectors.artifact)

    /** A clock that moves by one millisecond each time it is read. */
    private fun clock(): () -> Long {
        var now = 0L
        return { now.also { now += 1_000_000 } }
    }

    private fun time(
        protocol: TimingProtocol,
        engine: PixelEngine = PixelEngine(),
        memory: PeakMemory = FixedMemory(4096, null),
    ) = Benchmark.run(artifact, { _, _ -> engine }, protocol, memory, nanoTime = clock()).timing

    @Test
    fun `it runs until both the runs and the seconds are reached`() {
        val engine = PixelEngine()
        val result = time(TimingProtocol(warmups = 5, minRuns = 10, minSeconds = 0.02, threads = 2), engine)
        assertEquals(List(20) { 1.0 }, result.samplesMs)
        assertEquals(1.0, result.loadMs)
        assertEquals(1.0, result.firstMs)
        assertEquals(2, result.threads)
        assertEquals(1 + 5 + 20 + artifact.golden.vectors.size, engine.runs)
        assertTrue(engine.closed)
        assertEquals(10, time(TimingProtocol(minRuns = 10, minSeconds = 0.0)).samplesMs.size)
    }

    @Test
    fun `it stops at the longest time`() {
        assertEquals(7, time(TimingProtocol(minRuns = 1000, maxSeconds = 0.007)).samplesMs.size)
    }

    @Test
    fun `a device that answers wrongly is not timed`() {
        val error = assertFailsWith<ArtifactException> { time(TimingProtocol(), PixelEngine(error = 1f)) }
        assertTrue("not timed, this device answers wrongly" in error.message!!)
    }

    @Test
    fun `the JSON has the members of the Python result`() {
        val result = time(TimingProtocol(minRuns = 2, minSeconds = 0.0), memory = FixedMemory(null, "no /proc"))
        System.getProperty("timingResult")?.let { File(it).writeText(result.json()) }
        assertEquals(
            mapOf(
                "runtime_version" to "0.0.1", "threads" to 1.0, "load_ms" to 1.0, "first_ms" to 1.0,
                "samples_ms" to listOf(1.0, 1.0), "peak_memory_bytes" to null, "peak_memory_reason" to "no /proc",
                "cores" to AllowedCores.now()?.map(Int::toDouble), "golden_difference" to 0.0,
                "golden_tolerance" to artifact.golden.maxAbsDifference,
            ),
            Json.parse(result.json()),
        )
    }

    @Test
    fun `a protocol out of range is refused`() {
        for (make in listOf(
            { TimingProtocol(warmups = -1) }, { TimingProtocol(minRuns = 0) }, { TimingProtocol(minSeconds = -1.0) },
            { TimingProtocol(maxSeconds = 0.0) }, { TimingProtocol(threads = 0) },
        )) assertFailsWith<IllegalArgumentException> { make() }
    }

    @Test
    fun `a protocol is read from Python's JSON`() {
        val text = """{"warmups": 3, "min_runs": 4, "min_seconds": 0.5, "max_seconds": 6.0, "threads": 2}"""
        assertEquals(TimingProtocol(3, 4, 0.5, 6.0, 2), TimingProtocol.decode(text))
        assertEquals(TimingProtocol(), TimingProtocol.decode("{}"))
        for (broken in listOf("", "[]", """{"threads": 0}""", """{"warmups": "a"}""", """{"min_runs": 1.5}""")) {
            assertFailsWith<ArtifactException>(broken) { TimingProtocol.decode(broken) }
        }
    }

    @Test
    fun `cores are the kernel's list, or not known`() {
        val status = File.createTempFile("status", null).apply { deleteOnExit() }
        status.writeText("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0,2-4\n")
        assertEquals(listOf(0, 2, 3, 4), AllowedCores.now(status))
        status.writeText("Name:\tx\n")
        assertNull(AllowedCores.now(status))
        assertNull(AllowedCores.now(File("/nonexistent")))
    }

    @Test
    fun `peak memory is this process's, or a reason`() {
        val memory = ProcPeakMemory()
        memory.start()
        // Outside the heap, whose pages earlier tests may have made resident.
        val block = java.nio.ByteBuffer.allocateDirect(64 shl 20)
        val bytes = memory.bytes()
        if (memory.reason == null) assertTrue(assertNotNull(bytes) > block.capacity() / 2, "$bytes") else assertNull(bytes)
        val nowhere = ProcPeakMemory(File("/nonexistent"))
        nowhere.start()
        assertNull(nowhere.bytes())
        assertTrue("the peak cannot be read on this system" in nowhere.reason!!)
    }
}
