package org.ferdeploy.demo

import android.content.res.Resources
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.ferdeploy.core.EngineLoader

/** The runtimes inside this app, by the target that the artifact names; [resources] know ExecuTorch's version. */
class Engines(private val resources: Resources) : EngineLoader {
    override fun load(artifact: Artifact, threads: Int): Engine = try {
        when (val target = artifact.info.target) {
            "onnx" -> OnnxEngine(artifact, threads)
            "executorch" -> ExecuTorchEngine(artifact, threads, resources.getString(R.string.executorch_version))
            else -> throw ArtifactException("this app runs onnx and executorch artifacts, not $target")
        }
    } catch (error: LinkageError) {
        // A build may leave a runtime out; its classes or native libraries are then missing.
        throw ArtifactException("this build of the app has no runtime for ${artifact.info.target}: $error")
    }
}
