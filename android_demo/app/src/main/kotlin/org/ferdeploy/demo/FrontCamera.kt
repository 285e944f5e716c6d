package org.ferdeploy.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
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
import kotlin.math.abs
import org.ferdeploy.core.Box
import org.ferdeploy.core.Plane
import org.ferdeploy.core.RgbImage
import org.ferdeploy.core.Seen
import org.ferdeploy.core.rgbOf

/**
 * The front camera: hands every picture it has time for to [onSeen], upright and cut to its middle square, on its
 * own thread. Pictures are dropped while [onSeen] works; none is kept.
 */
class FrontCamera(
    private val context: Context,
    private val onSeen: (Seen) -> Unit,
    private val onProblem: (String) -> Unit,
) : AutoCloseable {
    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager
    private val worker = HandlerThread("camera").apply { start() }
    private val handler = Handler(worker.looper)
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null

    /** What the camera itself found last: faces and crop region, both in the sensor's pixels. */
    private var found: Pair<List<Rect>, Rect>? = null

    /** Starts the pictures; the app must hold the CAMERA permission. */
    @SuppressLint("MissingPermission")
    fun open() {
        guarded {
            val id = manager.cameraIdList.find { facing(it) == CameraCharacteristics.LENS_FACING_FRONT }
                ?: manager.cameraIdList.firstOrNull()
                ?: return onProblem("this device has no camera")
            val about = manager.getCameraCharacteristics(id)
            reader = reader(about)
            manager.openCamera(id, Opening(about), handler)
        }
    }

    private inline fun guarded(work: () -> Unit) {
        try {
            work()
        } catch (error: CameraAccessException) {
            onProblem("the camera cannot be used: ${error.message}")
        } catch (error: IllegalStateException) {
            onProblem("the camera was closed meanwhile: ${error.message}")
        }
    }

    override fun close() {
        handler.post {
            device?.close()
            reader?.close()
            worker.quit()
        }
    }

    private fun facing(id: String) = manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING)

    private fun reader(about: CameraCharacteristics): ImageReader {
        val sizes = about.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
            ?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        val size = sizes.minByOrNull { abs(it.width * it.height - WANTED_PIXELS) }
            ?: throw CameraAccessException(CameraAccessException.CAMERA_ERROR, "it gives no YUV pictures")
        val turns = (about.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0) / 90
        return ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2).apply {
            setOnImageAvailableListener({ it.acquireLatestImage()?.use { image -> onSeen(seen(image, turns)) } }, handler)
        }
    }

    private fun seen(image: Image, turns: Int): Seen {
        val (luma, blue, red) = image.planes.map { plane ->
            Plane(ByteArray(plane.buffer.remaining()).also(plane.buffer::get), plane.rowStride, plane.pixelStride)
        }
        val upright = rgbOf(image.width, image.height, luma, blue, red).turnedClockwise(turns)
        return Seen.middleOf(upright, if (found == null) FaceFinder.find(upright) else face(image, turns))
    }

    private fun face(image: Image, turns: Int): Box? {
        val (faces, crop) = found ?: return null
        val largest = faces.maxByOrNull { it.width() * it.height() } ?: return null
        if (largest.isEmpty || crop.isEmpty) return null
        return Box.fromSensor(box(largest), box(crop), image.width, image.height)
            ?.turnedClockwise(turns, image.width, image.height)
    }

    private fun box(rect: Rect) = Box(rect.left, rect.top, rect.right, rect.bottom)

    private inner class Opening(private val about: CameraCharacteristics) : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            device = camera
            val surface = reader?.surface ?: return
            guarded {
                val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
                    addTarget(surface)
                    faceDetectMode()?.let { set(CaptureRequest.STATISTICS_FACE_DETECT_MODE, it) }
                }.build()
                // The successor of this call needs Android 9.
                @Suppress("DEPRECATION")
                camera.createCaptureSession(listOf(surface), Session(request), handler)
            }
        }

        override fun onDisconnected(camera: CameraDevice) = camera.close()

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            onProblem("the camera failed with error $error")
        }

        private fun faceDetectMode(): Int? {
            val modes = about.get(CameraCharacteristics.STATISTICS_INFO_AVAILABLE_FACE_DETECT_MODES) ?: return null
            return modes.filter { it != CameraCharacteristics.STATISTICS_FACE_DETECT_MODE_OFF }.minOrNull()
        }
    }

    private inner class Session(private val request: CaptureRequest) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(session: CameraCaptureSession) {
            guarded { session.setRepeatingRequest(request, Results(), handler) }
        }

        override fun onConfigureFailed(session: CameraCaptureSession) = onProblem("the camera refuses its configuration")
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

    private companion object {
        const val WANTED_PIXELS = 640 * 480
    }
}
