package org.ferdeploy.core

import java.io.File
import java.io.IOException

/** Single stream, batch 1: the same protocol, names and defaults as `fer_deploy/devices/timing.py`. */
data class TimingProtocol(
    val warmups: Int = 20,
    val minRuns: Int = 300,
    val minSeconds: Double = 1.0,
    val maxSeconds: Double = 20.0,
    val threads: Int = 1,
) {
    init {
        require(warmups >= 0) { "warmups must not be below 0, got $warmups" }
        require(minRuns >= 1) { "min_runs must be 1 or more, got $minRuns" }
        require(minSeconds >= 0) { "min_seconds must not be below 0, got $minSeconds" }
        require(maxSeconds > 0) { "max_seconds must be above 0, got $maxSeconds" }
        require(threads >= 1) { "threads must be 1 or more, got $threads" }
    }

    companion object {
        /**
         * Decodes the JSON of Python's `TimingProtocol`; what it leaves out keeps its default.
         *
         * @throws ArtifactException the text is no JSON object, or a member is of the wrong kind or out of range.
         */
        fun decode(text: String): TimingProtocol {
            val fields = Fields.parse(text, "the timing protocol")
            val default = TimingProtocol()
            return try {
                TimingProtocol(
                    warmups = if ("warmups" in fields) fields.int("warmups") else default.warmups,
                    minRuns = if ("min_runs" in fields) fields.int("min_runs") else default.minRuns,
                    minSeconds = if ("min_seconds" in fields) fields.number("min_seconds") else default.minSeconds,
                    maxSeconds = if ("max_seconds" in fields) fields.number("max_seconds") else default.maxSeconds,
                    threads = if ("threads" in fields) fields.int("threads") else default.threads,
                )
            } catch (error: IllegalArgumentException) {
                throw ArtifactException("the timing protocol is refused: ${error.message}")
            }
        }
    }
}

/** What a run gave; [json] has the members of `fer_deploy.devices.timing.TimingResult`. */
data class TimingResult(
    val runtimeVersion: String,
    val threads: Int,
    val loadMs: Double,
    val firstMs: Double,
    val samplesMs: List<Double>,
    val peakMemoryBytes: Long?,
    val peakMemoryReason: String?,
    /** The cores that the system let this process use, or null where it does not say. */
    val cores: List<Int>?,
    /** Largest difference of a logit from golden.json, and how much is allowed. */
    val goldenDifference: Double,
    val goldenTolerance: Double,
) {
    fun json(): String = Json.write(
        mapOf(
            "runtime_version" to runtimeVersion,
            "threads" to threads,
            "load_ms" to loadMs,
            "first_ms" to firstMs,
            "samples_ms" to samplesMs,
            "peak_memory_bytes" to peakMemoryBytes,
            "peak_memory_reason" to peakMemoryReason,
            "cores" to cores,
            "golden_difference" to goldenDifference.takeIf(Double::isFinite),
            "golden_tolerance" to goldenTolerance,
        ),
    )
}

/** Peak resident memory of this process from [start] on, above what was resident then. */
interface PeakMemory {
    fun start()

    /** Bytes, or null with [reason] saying why not. */
    fun bytes(): Long?

    val reason: String?
}

/** A [timing], and the [logits] (K) of the images that were asked for, in their order. */
class BenchmarkOutcome(val timing: TimingResult, val logits: List<FloatArray>)

object Benchmark {
    /**
     * Times [artifact]: load, first inference, then the samples of [protocol] over the golden inputs in turn.
     * Without a protocol no sample is taken. The golden check and [images], (C, H, W) each, come last, so that
     * they warm nothing up.
     *
     * @throws ArtifactException the artifact cannot be loaded, or it is to be timed and this device disagrees with
     * its golden logits: a wrong answer has no latency.
     */
    fun run(
        artifact: Artifact,
        loader: EngineLoader,
        protocol: TimingProtocol?,
        memory: PeakMemory,
        images: List<FloatArray> = emptyList(),
        nanoTime: () -> Long = System::nanoTime,
    ): BenchmarkOutcome {
        val inputs = artifact.golden.vectors.map { FacePixels.floats(it.pixels) }
        val threads = (protocol ?: TimingProtocol()).threads
        memory.start()
        val began = nanoTime()
        loader.load(artifact, threads).use { engine ->
            val loaded = nanoTime()
            engine.logits(inputs[0])
            val first = nanoTime()
            repeat(protocol?.warmups ?: 0) { engine.logits(inputs[it % inputs.size]) }
            val samples = if (protocol == null) emptyList() else samples(engine, inputs, protocol, nanoTime)
            val peak = memory.bytes()
            val verdict = artifact.golden.check(engine)
            if (protocol != null && !verdict.agrees) {
                throw ArtifactException("not timed, this device answers wrongly: $verdict")
            }
            val timing = TimingResult(
                engine.runtimeVersion, threads, milliseconds(loaded - began), milliseconds(first - loaded), samples,
                peak, memory.reason, AllowedCores.now(), verdict.worst, verdict.allowed,
            )
            return BenchmarkOutcome(timing, images.map(engine::logits))
        }
    }

    private fun samples(
        engine: Engine,
        inputs: List<FloatArray>,
        protocol: TimingProtocol,
        nanoTime: () -> Long,
    ): List<Double> {
        val samples = ArrayList<Double>()
        var seconds = 0.0
        while ((samples.size < protocol.minRuns || seconds < protocol.minSeconds) && seconds < protocol.maxSeconds) {
            val input = inputs[samples.size % inputs.size]
            val start = nanoTime()
            engine.logits(input)
            val took = nanoTime() - start
            samples.add(milliseconds(took))
            seconds += took / 1e9
        }
        return samples
    }

    private fun milliseconds(nanoseconds: Long) = nanoseconds / 1e6
}

/** Peak memory as the Linux kernel counts it: resets and reads VmHWM (proc(5)). */
class ProcPeakMemory(private val proc: File = File("/proc/self")) : PeakMemory {
    override var reason: String? = null
        private set
    private var before = 0L

    override fun start() = guarded(Unit) {
        File(proc, "clear_refs").writeText("5")
        before = resident("VmRSS")
    }

    override fun bytes(): Long? = if (reason != null) null else guarded(null) { maxOf(0, resident("VmHWM") - before) }

    private fun resident(field: String): Long {
        val line = File(proc, "status").readLines().find { it.startsWith("$field:") }
            ?: throw IOException("no $field in $proc/status")
        return line.split(Regex("\\s+"))[1].toLong() * 1024
    }

    private fun <T> guarded(fallback: T, work: () -> T): T = try {
        work()
    } catch (error: IOException) {
        reason = "the peak cannot be read on this system: ${error.message}"
        fallback
    }
}

/** Which cores the kernel lets this process use (proc(5), Cpus_allowed_list). */
object AllowedCores {
    /** Core numbers in ascending order, or null where [status] does not say. */
    fun now(status: File = File("/proc/self/status")): List<Int>? {
        val line = try {
            status.readLines().find { it.startsWith("Cpus_allowed_list:") } ?: return null
        } catch (_: IOException) {
            return null
        }
        return line.substringAfter(':').trim().split(',').flatMap { range ->
            val ends = range.split('-').map(String::toInt)
            ends.first()..ends.last()
        }
    }
}

/** Returns a quantile of [samples], 0..1, by linear interpolation between order statistics (numpy's default). */
fun quantile(samples: List<Double>, quantile: Double): Double {
    require(samples.isNotEmpty()) { "no samples, no quantile" }
    val ordered = samples.sorted()
    val place = quantile * (ordered.size - 1)
    val below = place.toInt()
    val above = minOf(below + 1, ordered.size - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
}
