package org.ferdeploy.demo

import android.app.Activity
import android.os.Bundle
import android.os.Process
import android.util.Log
import java.io.File
import kotlin.concurrent.thread
import org.ferdeploy.core.Artifact
import org.ferdeploy.core.ArtifactException
import org.ferdeploy.core.Benchmark
import org.ferdeploy.core.Json
import org.ferdeploy.core.ProcPeakMemory
import org.ferdeploy.core.TimingProtocol

/**
 * Times a pushed artifact, driven by adb; shows nothing.
 *
 * Extras: `artifact`, the name of a folder in the app's external files; `protocol`, the JSON of a TimingProtocol.
 * Writes `timing.json` beside the folder: a TimingResult, or `{"error": "..."}`. The README has the commands.
 */
class BenchmarkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val files = getExternalFilesDir(null)
        val name = intent.getStringExtra("artifact").orEmpty()
        val protocol = intent.getStringExtra("protocol") ?: "{}"
        thread(name = "benchmark") {
            val json = try {
                time(files, name, protocol)
            } catch (error: Exception) { // each runtime has exceptions of its own; adb must hear of all of them
                Json.write(mapOf("error" to (error.message ?: error.toString())))
            }
            files?.let { publish(json, it) }
            Log.i(TAG, json)
            finishAndRemoveTask()
            // The next run must start in a fresh process.
            Process.killProcess(Process.myPid())
        }
    }

    private fun time(files: File?, name: String, protocol: String): String {
        // The activity is open to every app on the phone: it reads below the app's own folder only.
        if (files == null || !NAME.matches(name)) {
            throw ArtifactException("extra 'artifact' must name a folder in $files, got '$name'")
        }
        val artifact = Artifact.open(File(files, name))
        return Benchmark.run(artifact, Engines(resources), TimingProtocol.decode(protocol), ProcPeakMemory()).json()
    }

    /** Renamed into place, so that adb never pulls half a file. */
    private fun publish(json: String, files: File) {
        val partial = File(files, "timing.json.partial")
        partial.writeText(json)
        partial.renameTo(File(files, "timing.json"))
    }

    private companion object {
        const val TAG = "FerBenchmark"
        val NAME = Regex("[A-Za-z0-9][A-Za-z0-9._-]*")
    }
}
