package org.ferdeploy.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Rect
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.hardware.camera2.CaptureResult
import android.hardware.camera2.TotalCaptureResult
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.view.WindowManager
import org.ferdeploy.core.Box
import org.ferdeploy.core.CameraEvent
import org.ferdeploy.core.Colour
import org.ferdeploy.core.FaceFinder
import org.ferdeploy.core.Frame
import org.ferdeploy.core.MiddleSquare
import org.ferdeploy.core.Seen
import org.ferdeploy.core.Upright
import org.ferdeploy.core.uprightTurns

/**
 * The front camera, or the first where there is none. It does what [org.ferdeploy.core.CameraState] says and [tell]s what
 * came of it; everything happens on its own thread.
 *
 * Every picture that [onSeen] has time for is handed to it, upright and cut to its middle square. Pictures are dropped
 * while it works, and the next one overwrites the last.
 */
class FrontCamera(
    context: Context,
    private val faces: FaceFinder,
    private val tell: (CameraEvent) -> Unit,
    private val onSeen: (Seen) -> Unit,
    private val onProblem: (String) -> Unit,
) {
    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager

    @Suppress("DEPRECATION") // its successor came with Android 11
    private val display = (context.getSystemService(Context.WINDOW_SERVICE) as WindowManager).defaultDisplay
    private val worker = HandlerThread("camera").apply { start() }
    private val handler = Handler(worker.looper)
    private val frame = Frame()
    private var upright = Upright(Colour.GREY)
    private var about: AboutCamera? = null
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null

    /** What the camera itself found last: faces and crop region, both in the sensor's pixels. */
    private var found: Pair<List<Rect>, Rect>? = null

    /** Starts pictures in [colour]; the app must hold the CAMERA permission. */
    @SuppressLint("MissingPermission")
    fun open(colour: Colour) {
        handler.post {
            upright = Upright(colour)
            found = null
            try {
                val chosen = AboutCamera.front(manager)
                about = chosen
                reader = chosen.reader().apply { setOnImageAvailableListener(::onImage, handler) }
                manager.openCamera(chosen.id, Opening(), handler)
            } catch (error: Exception) { // CameraAccess, IllegalState, IllegalArgument, Security: it is not open
                onProblem("the camera cannot be opened: ${error.message}")
                close(null)
            }
        }
    }

    /** Ends the pictures and gives the camera back. */
    fun close() {
        handler.post { close(device) }
    }

    /** Ends the thread; nothing may be opened any more. */
    fun release() {
        handler.post(faces::close)
        worker.quitSafely()
    }

    private fun close(opened: CameraDevice?) {
        opened?.close()
        reader?.close()
        device = null
        reader = null
        // That close() has returned is enough: the device can be opened again, and onClosed may come late or never.
        tell(CameraEvent.CLOSED)
    }

    /** For work on a device that may be gone by now. */
    private inline fun guarded(work: () -> Unit) {
        try {
            work()
        } catch (error: CameraAccessException) {
            lost("the camera cannot be used: ${error.message}")
        } catch (error: IllegalStateException) {
            lost("the camera was closed meanwhile: ${error.message}")
        }
    }

    private fun lost(why: String) {
        onProblem(why)
        tell(CameraEvent.LOST)
    }

    private fun onImage(from: ImageReader) {
        val arrived = System.nanoTime()
        val about = about ?: return
        val image = try {
            from.acquireLatestImage() ?: return
        } catch (_: IllegalStateException) {
            return // the reader was closed meanwhile
        }
        image.use(::fill)
        val turns = uprightTurns(about.sensorDegrees, 90 * display.rotation, about.front)
        val square = MiddleSquare(frame.width, frame.height, turns)
        val picture = upright.of(frame, turns)
        val own = found.takeIf { faces.onlyWithoutTheCameras }
        val face = try {
            if (own == null) faces.find(picture) else largest(own)?.let(square::moved)
        } catch (error: RuntimeException) { // a detector put in here has exceptions of its own
            return onProblem("the face detector failed: $error")
        }
        onSeen(Seen(picture, face, arrived, mirrored = about.front))
    }

    /** Copies the planes that are needed, so that the camera has its buffer back at once. */
    private fun fill(image: Image) {
        frame.width = image.width
        frame.height = image.height
        val targets = if (upright.colour == Colour.GREY) listOf(frame.luma) else listOf(frame.luma, frame.blue, frame.red)
        val planes = image.planes
        targets.forEachIndexed { index, plane ->
            plane.fill(planes[index].buffer, planes[index].rowStride, planes[index].pixelStride)
        }
    }

    private fun largest(own: Pair<List<Rect>, Rect>): Box? {
        val (faces, crop) = own
        val largest = faces.maxByOrNull { it.width() * it.height() } ?: return null
        if (largest.isEmpty || crop.isEmpty) return null
        return Box.fromSensor(box(largest), box(crop), frame.width, frame.height)
    }

    private fun box(rect: Rect) = Box(rect.left, rect.top, rect.right, rect.bottom)

    private inner class Opening : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            device = camera
            tell(CameraEvent.OPENED) // Whoever left meanwhile has it closed now.
            val surface = reader?.surface ?: return
            guarded {
                val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
                    addTarget(surface)
                    about?.faceMode?.let { set(CaptureRequest.STATISTICS_FACE_DETECT_MODE, it) }
                }.build()
                // The successor of this call needs Android 9.
                @Suppress("DEPRECATION")
                camera.createCaptureSession(listOf(surface), Session(request), handler)
            }
        }

        override fun onDisconnected(camera: CameraDevice) {
            device = camera
            lost("another app took the camera")
        }

        override fun onError(camera: CameraDevice, error: Int) {
            device = camera
            lost("the camera failed with error $error")
        }
    }

    private inner class Session(private val request: CaptureRequest) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(session: CameraCaptureSession) {
            guarded { session.setRepeatingRequest(request, Results(), handler) }
        }

        override fun onConfigureFailed(session: CameraCaptureSession) = lost("the camera refuses its configuration")
    }

    private inner class Results : CameraCaptureSession.CaptureCallback() {
        override fun onCaptureCompleted(
            session: CameraCaptureSession,
            request: CaptureRequest,
            result: TotalCaptureResult,
        ) {
            val mode = result.get(CaptureResult.STATISTICS_FACE_DETECT_MODE) ?: CaptureResult.STATISTICS_FACE_DETECT_MODE_OFF
            val crop = result.get(CaptureResult.SCALER_CROP_REGION)
            found = if (mode == CaptureResult.STATISTICS_FACE_DETECT_MODE_OFF || crop == null) null else {
                result.get(CaptureResult.STATISTICS_FACES).orEmpty().map { it.bounds } to crop
            }
        }
    }
}
