package org.ferdeploy.demo

import android.app.Activity
import android.os.Bundle
import android.os.Process
import android.util.Log
import android.view.WindowManager.LayoutParams
import java.io.File
import kotlin.concurrent.thread
import org.ferdeploy.core.BenchmarkJob
import org.ferdeploy.core.ProcPeakMemory

/**
 * Runs the job that fer-deploy pushed, started by adb; shows nothing. The README says how to start it by hand.
 *
 * Reads [JOB], which only adb can write to, and leaves the results in `run` of the app's external files, which adb can
 * read. The extra `protocol` is the JSON of a TimingProtocol; without it no time is taken.
 */
class BenchmarkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        // Asleep or behind the lock screen, Android leaves a process its slow cores.
        @Suppress("DEPRECATION") // their successors came with Android 8.1
        window.addFlags(
            LayoutParams.FLAG_KEEP_SCREEN_ON or LayoutParams.FLAG_SHOW_WHEN_LOCKED or LayoutParams.FLAG_TURN_SCREEN_ON,
        )
        val files = getExternalFilesDir(null)
        val protocol = intent.getStringExtra("protocol").orEmpty()
        thread(name = "benchmark") {
            if (files == null) {
                Log.e(TAG, "no external storage: the results have nowhere to go")
            } else {
                BenchmarkJob(JOB, File(files, "run")).run(Engines(resources), protocol, ProcPeakMemory())
            }
            finishAndRemoveTask()
            // The next run must start in a fresh process.
            Process.killProcess(Process.myPid())
        }
    }

    private companion object {
        const val TAG = "FerBenchmark"
        val JOB = File("/data/local/tmp/fer-deploy-run")
    }
}
