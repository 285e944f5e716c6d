package org.ferdeploy.demo

import android.content.Context
import java.io.File
import java.io.IOException
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException

/** The artifact in the app's assets, put there by `fer-deploy bundle --app android`. */
object BundledArtifact {
    private const val ASSETS = "artifact"

    /**
     * Copies it to the app's private files, since runtimes load from paths, and opens it.
     *
     * @throws ArtifactException no artifact was bundled, or it is damaged.
     */
    fun open(context: Context): Artifact {
        val names = context.assets.list(ASSETS).orEmpty()
        if (names.isEmpty()) {
            throw ArtifactException("no artifact in this app: run fer-deploy bundle --app android ARTIFACT and rebuild")
        }
        val folder = File(context.filesDir, ASSETS)
        try {
            folder.deleteRecursively()
            folder.mkdirs()
            for (name in names) {
                context.assets.open("$ASSETS/$name").use { from -> File(folder, name).outputStream().use(from::copyTo) }
            }
        } catch (error: IOException) {
            throw ArtifactException("the bundled artifact cannot be copied to $folder: ${error.message}")
        }
        return Artifact.open(folder)
    }
}
