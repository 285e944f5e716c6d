package org.ferdeploy.demo

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine

/** ONNX Runtime on its CPU provider, as fer-deploy runs it on the host. */
class OnnxEngine(artifact: Artifact, threads: Int) : Engine {
    private val environment = OrtEnvironment.getEnvironment()
    private val shape = artifact.info.contract.input.shape.map { it.toLong() }.toLongArray()
    private val session: OrtSession = try {
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(threads)
            options.setInterOpNumThreads(1)
            environment.createSession(artifact.modelFile.path, options)
        }
    } catch (error: OrtException) {
        throw ArtifactException("ONNX Runtime refuses ${artifact.modelFile.name}: ${error.message}")
    }

    override val runtimeVersion: String = environment.version

    override fun logits(pixels: FloatArray): FloatArray =
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(pixels), shape).use { input ->
            session.run(mapOf(INPUT to input)).use { result ->
                val logits = (result[0] as OnnxTensor).floatBuffer
                FloatArray(logits.remaining()).also(logits::get)
            }
        }

    override fun close() = session.close()

    private companion object {
        const val INPUT = "pixels"
    }
}
