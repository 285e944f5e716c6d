package org.ferdeploy.demo

import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Engine
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** ExecuTorch with the XNNPACK delegate that the program names. Its Java API does not know its own version. */
class ExecuTorchEngine(artifact: Artifact, threads: Int, override val runtimeVersion: String) : Engine {
    private val shape = artifact.info.contract.input.shape.map { it.toLong() }.toLongArray()
    private val module: Module = try {
        // A method that cannot be loaded throws here or, in older releases, at the first inference.
        Module.load(artifact.modelFile.path, Module.LOAD_MODE_FILE, threads).apply { loadMethod("forward") }
    } catch (error: RuntimeException) {
        throw ArtifactException("ExecuTorch refuses ${artifact.modelFile.name}: ${error.message}")
    }

    /** Filled anew for every image; the tensor is this very memory. */
    private val pixels = Tensor.allocateFloatBuffer(shape.reduce(Long::times).toInt())
    private val input = EValue.from(Tensor.fromBlob(pixels, shape))

    override fun logits(pixels: FloatArray): FloatArray {
        this.pixels.clear()
        this.pixels.put(pixels)
        return module.forward(input)[0].toTensor().dataAsFloatArray
    }

    override fun close() = module.destroy()
}
