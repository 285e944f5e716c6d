package org.ferdeploy.demo

import android.content.res.Resources
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.ferdeploy.core.EngineLoader
import org.ferdeploy.core.Provider

/** The runtimes inside this app, by the target that the artifact names; [resources] know ExecuTorch's version. */
class Engines(private val resources: Resources) : EngineLoader {
    /** As fer-deploy runs it on the host, which is what it times. */
    override fun load(artifact: Artifact, threads: Int): Engine = load(artifact, threads, Provider.DEFAULT)

    /**
     * The same with ONNX Runtime's [provider].
     *
     * @throws ArtifactException this app has no runtime for the target, or the runtime refuses file or provider.
     */
    fun load(artifact: Artifact, threads: Int, provider: Provider): Engine = try {
        when (val target = artifact.info.target) {
            "onnx" -> OnnxEngine(artifact, threads, provider)
            "executorch" -> ExecuTorchEngine(artifact, threads, resources.getString(R.string.executorch_version))
            else -> throw ArtifactException("this app runs onnx and executorch artifacts, not $target")
        }
    } catch (error: LinkageError) {
        // A build may leave a runtime out; its classes or native libraries are then missing.
        throw ArtifactException("this build of the app has no runtime for ${artifact.info.target}: $error")
    }
}
