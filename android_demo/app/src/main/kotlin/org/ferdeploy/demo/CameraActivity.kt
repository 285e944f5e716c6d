package org.ferdeploy.demo

import android.Manifest
import android.app.Activity
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.os.Bundle
import android.os.SystemClock
import android.view.WindowManager
import java.util.concurrent.Executors
import org.ferdeploy.core.Engine
import org.ferdeploy.core.LiveClassifier
import org.ferdeploy.core.ScreenState
import org.ferdeploy.core.Seen

/** The demo: checks the artifact, then classifies the face before the front camera. Keeps no picture. */
class CameraActivity : Activity() {
    private lateinit var view: ScreenView
    private val loader = Executors.newSingleThreadExecutor()
    private var camera: FrontCamera? = null

    /** Held while the engine runs or closes. */
    private val lock = Any()

    @Volatile
    private var classifier: LiveClassifier? = null
    private var engine: Engine? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        view = ScreenView(this)
        setContentView(view)
        loader.execute(::load)
    }

    private fun load() {
        try {
            val artifact = BundledArtifact.open(this)
            show(LiveClassifier.blank(artifact))
            val loaded = Engines(resources).load(artifact, THREADS)
            engine = loaded
            val checked = LiveClassifier(artifact, loaded)
            classifier = checked
            show(checked.state(null, now()))
            if (checked.verdict.agrees) runOnUiThread(::startCamera)
        } catch (error: Exception) { // each runtime has exceptions of its own
            show(failed(error))
        }
    }

    override fun onResume() {
        super.onResume()
        if (classifier?.verdict?.agrees == true) startCamera()
    }

    override fun onPause() {
        camera?.close()
        camera = null
        super.onPause()
    }

    override fun onDestroy() {
        loader.execute {
            synchronized(lock) {
                classifier = null
                engine?.close()
            }
        }
        loader.shutdown()
        super.onDestroy()
    }

    override fun onRequestPermissionsResult(code: Int, permissions: Array<String>, results: IntArray) {
        if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) startCamera()
        else show(LiveClassifier.failed("the demo needs the camera: allow it in the system's settings"))
    }

    private fun startCamera() {
        if (camera != null || isFinishing) return
        if (checkSelfPermission(Manifest.permission.CAMERA) != PackageManager.PERMISSION_GRANTED) {
            requestPermissions(arrayOf(Manifest.permission.CAMERA), 0)
            return
        }
        camera = FrontCamera(this, ::onSeen) { show(LiveClassifier.failed(it)) }.apply { open() }
    }

    /** Runs on the camera's thread, one picture at a time. */
    private fun onSeen(seen: Seen) {
        try {
            val state = synchronized(lock) { classifier?.state(seen, now()) } ?: return
            show(state, FaceFinder.bitmap(seen.picture))
        } catch (error: Exception) { // each runtime has exceptions of its own
            show(failed(error))
        }
    }

    private fun failed(error: Exception) = LiveClassifier.failed(error.message ?: error.toString())

    private fun show(state: ScreenState, picture: Bitmap? = null) = runOnUiThread { view.show(state, picture) }

    private fun now() = SystemClock.elapsedRealtimeNanos() / 1e9

    private companion object {
        const val THREADS = 1
    }
}
