package org.ferdeploy.demo

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.ferdeploy.core.Provider

/** ONNX Runtime, by default on its CPU provider, as fer-deploy runs it on the host. */
class OnnxEngine(artifact: Artifact, threads: Int, provider: Provider = Provider.DEFAULT) : Engine {
    // It cannot send anything without INTERNET; asked not to collect either.
    private val environment = OrtEnvironment.getEnvironment().apply { setTelemetry(false) }
    private val shape = artifact.info.contract.input.shape.map { it.toLong() }.toLongArray()
    private val session: OrtSession = try {
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(threads)
            options.setInterOpNumThreads(1)
            when (provider) {
                Provider.DEFAULT -> Unit
                // It has a thread pool of its own; ONNX Runtime's would compete with it.
                Provider.XNNPACK -> options.addXnnpack(mapOf("intra_op_num_threads" to "$threads"))
                Provider.NNAPI -> options.addNnapi()
            }
            environment.createSession(artifact.modelFile.path, options)
        }
    } catch (error: OrtException) {
        throw ArtifactException("ONNX Runtime refuses ${artifact.modelFile.name}: ${error.message}")
    }

    /** Filled anew for every image; the tensor is this very memory. */
    private val pixels = ByteBuffer.allocateDirect(4 * shape.reduce(Long::times).toInt()).order(ByteOrder.nativeOrder()).asFloatBuffer()
    private val input = OnnxTensor.createTensor(environment, pixels, shape)
    private val inputs = mapOf(INPUT to input)

    override val runtimeVersion: String = environment.version

    override fun logits(pixels: FloatArray): FloatArray {
        this.pixels.clear()
        this.pixels.put(pixels)
        return session.run(inputs).use { result ->
            val logits = (result[0] as OnnxTensor).floatBuffer
            FloatArray(logits.remaining()).also(logits::get)
        }
    }

    override fun close() {
        input.close()
        session.close()
    }

    private companion object {
        const val INPUT = "pixels"
    }
}
