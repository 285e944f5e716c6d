package org.ferdeploy.demo

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.os.SystemClock
import android.provider.Settings
import android.view.WindowManager
import java.util.concurrent.Executors
import org.ferdeploy.core.CameraAction
import org.ferdeploy.core.CameraEvent
import org.ferdeploy.core.CameraState
import org.ferdeploy.core.LiveClassifier
import org.ferdeploy.core.RunOptions
import org.ferdeploy.core.ScreenState
import org.ferdeploy.core.Seen
import org.ferdeploy.core.Tap

/** The demo: checks the artifact, then classifies the face before the front camera. Keeps no picture. */
class CameraActivity : Activity() {
    private lateinit var view: ScreenView
    private lateinit var camera: FrontCamera
    private lateinit var cameraState: CameraState
    private val main = Handler(Looper.getMainLooper())
    private val loader = Executors.newSingleThreadExecutor()
    private val previews = Previews()

    /** How often a model was asked for: what an earlier one became is not news any more. */
    private var loads = 0

    @Volatile
    private var model: LoadedModel? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        view = ScreenView(this, ::onTap)
        setContentView(view)
        cameraState = CameraState(asked = savedInstanceState?.getBoolean(ASKED) == true)
        // Another face detector goes in here.
        camera = FrontCamera(this, PlatformFaces(), ::tell, ::onSeen) { problem("$it; trying again") }
        load()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putBoolean(ASKED, cameraState.asked)
    }

    override fun onResume() {
        super.onResume()
        tell(permission())
        tell(CameraEvent.RESUMED)
    }

    override fun onPause() {
        tell(CameraEvent.PAUSED)
        super.onPause()
    }

    override fun onDestroy() {
        tell(CameraEvent.DESTROYED)
        loader.execute { model?.close() }
        loader.shutdown()
        super.onDestroy()
    }

    override fun onRequestPermissionsResult(code: Int, permissions: Array<String>, results: IntArray) = tell(permission())

    private fun permission(): CameraEvent {
        val granted = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        return if (granted) CameraEvent.GRANTED else CameraEvent.DENIED
    }

    /** Tells the camera's state on the main thread, which it belongs to, and does what it says. */
    private fun tell(event: CameraEvent) {
        if (Looper.myLooper() != main.looper) main.post { tell(event) } else cameraState.on(event).forEach(::act)
    }

    private fun act(action: CameraAction) {
        when (action) {
            CameraAction.ASK -> requestPermissions(arrayOf(Manifest.permission.CAMERA), 0)
            CameraAction.OFFER_SETTINGS -> problem("the demo needs the camera: allow it in the system's settings", settings = true)
            CameraAction.OPEN -> when (val ready = model) {
                null -> tell(CameraEvent.CLOSED) // it is being replaced
                else -> camera.open(ready.artifact.info.contract.input.colour)
            }
            CameraAction.CLOSE -> camera.close()
            CameraAction.RETRY -> main.postDelayed({ tell(CameraEvent.RETRY_DUE) }, cameraState.retryMs)
            CameraAction.RELEASE -> camera.release()
        }
    }

    /** Loads what the options say, and checks it. */
    private fun load() {
        val mine = ++loads
        tell(CameraEvent.NOT_READY)
        loader.execute {
            model?.close()
            model = null
            try {
                val bundled = BundledArtifacts(this)
                val options = options(bundled)
                val artifact = bundled.open(options.artifact)
                val runsOn = options.describe(artifact.info)
                show(LiveClassifier.blank(artifact, runsOn))
                val engine = Engines(resources).load(artifact, options.threads, options.provider)
                val loaded = LoadedModel(artifact, engine, runsOn)
                model = loaded
                show(loaded.blank)
                if (loaded.agrees) main.post { if (mine == loads) tell(CameraEvent.READY) }
            } catch (error: Exception) { // each runtime has exceptions of its own
                problem(error.message ?: error.toString())
            }
        }
    }

    private fun options(bundled: BundledArtifacts) =
        RunOptions.decode(getPreferences(MODE_PRIVATE).getString(OPTIONS, null), bundled.infos.mapValues { it.value.target })

    private fun onTap(tap: Tap) {
        when (tap) {
            Tap.SETTINGS ->
                startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", packageName, null)))
            Tap.OPTIONS -> try {
                val bundled = BundledArtifacts(this)
                OptionsDialog(this, bundled.infos).show(options(bundled)) {
                    getPreferences(MODE_PRIVATE).edit().putString(OPTIONS, it.encode()).apply()
                    load()
                }
            } catch (error: Exception) { // there is nothing to choose from
                problem(error.message ?: error.toString())
            }
        }
    }

    /** Runs on the camera's thread, one picture at a time. */
    private fun onSeen(seen: Seen) {
        try {
            val state = model?.state(seen, now()) ?: return
            show(state, previews.of(seen.picture))
        } catch (error: Exception) { // each runtime has exceptions of its own
            problem(error.message ?: error.toString())
        }
    }

    private fun problem(text: String, settings: Boolean = false) =
        show(model?.blank?.copy(problem = text, offersSettings = settings) ?: LiveClassifier.failed(text, settings))

    private fun show(state: ScreenState, picture: Bitmap? = null) = runOnUiThread { view.show(state, picture) }

    private fun now() = SystemClock.elapsedRealtimeNanos() / 1e9

    private companion object {
        const val ASKED = "camera asked for"
        const val OPTIONS = "options"
    }
}
