package org.ferdeploy.demo

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor

/**
 * LiteRT's interpreter with XNNPACK, as fer-deploy runs it on the host.
 *
 * A file of a quantized network takes and gives float32 too: its first and last operators quantize. LiteRT's Java states
 * the version of TensorFlow Lite and not its own, which the build therefore gives as [runtimeVersion].
 */
class LiteRTEngine(artifact: Artifact, threads: Int, override val runtimeVersion: String) : Engine {
    private val interpreter: Interpreter = try {
        // XNNPACK is the default. Said all the same: LiteRT's own kernels round int8 otherwise.
        Interpreter(artifact.modelFile, Interpreter.Options().apply { setNumThreads(threads); setUseXNNPACK(true) })
    } catch (error: RuntimeException) { // it maps the file, and says here what it finds wrong with it
        throw ArtifactException("LiteRT refuses ${artifact.modelFile.name}: ${error.message}")
    }

    /** Filled anew for every image; LiteRT reads and writes these very memories. */
    private val pixels: FloatBuffer
    private val logits: FloatBuffer

    init {
        val contract = artifact.info.contract
        try {
            pixels = memoryFor("input", interpreter.getInputTensor(0), contract.input.shape)
            logits = memoryFor("output", interpreter.getOutputTensor(0), listOf(1, contract.labels.size))
        } catch (error: ArtifactException) {
            interpreter.close()
            throw ArtifactException("${artifact.modelFile.name} is not what its contract says: ${error.message}")
        }
    }

    override fun logits(pixels: FloatArray): FloatArray {
        this.pixels.clear()
        this.pixels.put(pixels)
        this.pixels.rewind()
        logits.clear()
        interpreter.run(this.pixels, logits)
        logits.rewind()
        return FloatArray(logits.remaining()).also(logits::get)
    }

    override fun close() = interpreter.close()

    private fun memoryFor(name: String, tensor: Tensor, shape: List<Int>): FloatBuffer {
        if (tensor.dataType() != DataType.FLOAT32 || tensor.shape().toList() != shape) {
            throw ArtifactException("its $name is ${tensor.dataType()} ${tensor.shape().toList()}, not FLOAT32 $shape")
        }
        return ByteBuffer.allocateDirect(4 * shape.reduce(Int::times)).order(ByteOrder.nativeOrder()).asFloatBuffer()
    }
}
