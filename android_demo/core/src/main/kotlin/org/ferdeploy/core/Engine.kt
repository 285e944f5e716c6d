package org.ferdeploy.core

/** A loaded model. Not thread-safe; close it when done. */
interface Engine : AutoCloseable {
    /** Version of the runtime inside this app, as the runtime or its package states it. */
    val runtimeVersion: String

    /** Returns the logits (K) of one image; [pixels] is (C, H, W), 0..255. */
    fun logits(pixels: FloatArray): FloatArray
}

/** Loads the artifacts of one target. */
fun interface EngineLoader {
    /**
     * Returns the loaded model file of [artifact], to be run with [threads] CPU threads.
     *
     * @throws ArtifactException this app has no runtime for the target, or the runtime refuses the file.
     */
    fun load(artifact: Artifact, threads: Int): Engine
}
