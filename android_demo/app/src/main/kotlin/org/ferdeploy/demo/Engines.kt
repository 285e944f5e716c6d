package org.ferdeploy.demo

import android.content.res.Resources
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.ferdeploy.core.EngineLoader
import org.ferdeploy.core.Provider

/** The runtimes inside this app, by the target that the artifact names; [resources] know the versions that do not say. */
class Engines(private val resources: Resources) : EngineLoader {
    private val makers = mapOf<String, (Artifact, Int, Provider) -> Engine>(
        "onnx" to { artifact, threads, provider -> OnnxEngine(artifact, threads, provider) },
        "executorch" to { artifact, threads, _ ->
            ExecuTorchEngine(artifact, threads, resources.getString(R.string.executorch_version))
        },
        "litert" to { artifact, threads, _ -> LiteRTEngine(artifact, threads, resources.getString(R.string.litert_version)) },
    )

    /** As fer-deploy runs it on the host, which is what it times. */
    override fun load(artifact: Artifact, threads: Int): Engine = load(artifact, threads, Provider.DEFAULT)

    /**
     * The same with ONNX Runtime's [provider].
     *
     * @throws ArtifactException this app has no runtime for the target, or the runtime refuses file or provider.
     */
    fun load(artifact: Artifact, threads: Int, provider: Provider): Engine {
        val target = artifact.info.target
        val make = makers[target]
            ?: throw ArtifactException("this app runs artifacts of ${makers.keys.joinToString()}, not of $target")
        return try {
            make(artifact, threads, provider)
        } catch (error: LinkageError) {
            // A build may leave a runtime out; its classes or native libraries are then missing.
            throw ArtifactException("this build of the app has no runtime for $target, the Gradle project's has: $error")
        }
    }
}
