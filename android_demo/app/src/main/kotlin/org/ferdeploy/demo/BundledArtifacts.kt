package org.ferdeploy.demo

import android.content.Context
import java.io.File
import java.io.IOException
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.ArtifactInfo

/**
 * The artifacts in the app's assets: `artifact`, put there by `fer-deploy bundle --app android`, and the folders in
 * `artifacts`, copied there by hand.
 */
class BundledArtifacts(private val context: Context) {
    private val folders = listOf(FIRST).filter { names(it).isNotEmpty() }.associateWith { it } +
        names(MORE).associateWith { "$MORE/$it" }

    /**
     * What is bundled, by name; never empty.
     *
     * @throws ArtifactException nothing was bundled, or an artifact.json cannot be read.
     */
    val infos: Map<String, ArtifactInfo> = folders.mapValues { (_, folder) ->
        val text = guarded(folder) { context.assets.open("$folder/${Artifact.INFO_FILE}").bufferedReader().use { it.readText() } }
        Artifact.infoOf(text)
    }.ifEmpty { throw ArtifactException("no artifact in this app: run fer-deploy bundle --app android ARTIFACT and rebuild") }

    /**
     * Copies one to the app's private files, since runtimes load from paths, and opens it.
     *
     * @throws ArtifactException it is damaged.
     */
    fun open(name: String): Artifact {
        val folder = folders.getValue(name)
        val copy = File(context.filesDir, FIRST)
        guarded(folder) {
            copy.deleteRecursively()
            copy.mkdirs()
            for (file in names(folder)) {
                context.assets.open("$folder/$file").use { from -> File(copy, file).outputStream().use(from::copyTo) }
            }
        }
        return Artifact.open(copy)
    }

    private fun names(folder: String): List<String> = context.assets.list(folder).orEmpty().toList()

    private inline fun <T> guarded(folder: String, work: () -> T): T = try {
        work()
    } catch (error: IOException) {
        throw ArtifactException("the bundled $folder cannot be read or copied: ${error.message}")
    }

    private companion object {
        const val FIRST = "artifact"
        const val MORE = "artifacts"
    }
}
