package org.ferdeploy.core

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A job that `fer_deploy/devices/runners/job.py` left on the phone: the same outputs as fer-deploy's own runners.
 *
 * [folder] holds an artifact and `inputs.f32`, little-endian float32 images (N, C, H, W) of 0..255. [results] gets
 * `logits.f32` (N, K) and then `result.json`, a [TimingResult]; or `error.txt`, one line, and nothing else.
 */
class BenchmarkJob(private val folder: File, private val results: File) {
    /** Runs the job; an empty [protocol] asks for logits only, else it is the JSON of a [TimingProtocol]. */
    fun run(loader: EngineLoader, protocol: String, memory: PeakMemory) {
        results.deleteRecursively()
        results.mkdirs()
        try {
            val artifact = Artifact.open(folder)
            val images = images(artifact.info.contract.input.shape)
            val asked = if (protocol.isEmpty()) null else TimingProtocol.decode(protocol)
            val done = Benchmark.run(artifact, loader, asked, memory, images)
            publish(LOGITS, bytes(done.logits))
            val runtime = "${done.timing.runtimeVersion} in the Android demo"
            publish(RESULT, done.timing.copy(runtimeVersion = runtime).json().toByteArray())
        } catch (error: Throwable) { // each runtime has exceptions and errors of its own; adb must hear of all of them
            publish(ERROR, (error.message ?: error.toString()).lines().joinToString(" ").toByteArray())
        }
    }

    private fun images(shape: List<Int>): List<FloatArray> {
        val size = shape.reduce(Int::times)
        val bytes = try {
            File(folder, INPUTS).readBytes()
        } catch (error: IOException) {
            throw ArtifactException("$INPUTS cannot be read: ${error.message}")
        }
        if (bytes.isEmpty() || bytes.size % (4 * size) != 0) {
            throw ArtifactException("$INPUTS does not hold whole images of $shape: ${bytes.size} bytes")
        }
        val floats = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return List(bytes.size / (4 * size)) { FloatArray(size).also(floats::get) }
    }

    private fun bytes(logits: List<FloatArray>): ByteArray {
        val buffer = ByteBuffer.allocate(4 * logits.sumOf { it.size }).order(ByteOrder.LITTLE_ENDIAN)
        logits.forEach { buffer.asFloatBuffer().put(it); buffer.position(buffer.position() + 4 * it.size) }
        return buffer.array()
    }

    /** Renamed into place, so that adb never sees half a file. */
    private fun publish(name: String, content: ByteArray) {
        val partial = File(results, "$name.partial")
        partial.writeBytes(content)
        partial.renameTo(File(results, name))
    }

    private companion object {
        const val INPUTS = "inputs.f32"
        const val LOGITS = "logits.f32"
        const val RESULT = "result.json"
        const val ERROR = "error.txt"
    }
}
