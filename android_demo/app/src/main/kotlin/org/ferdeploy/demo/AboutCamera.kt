package org.ferdeploy.demo

import android.graphics.ImageFormat
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.media.ImageReader
import kotlin.math.abs

/** What the system says of one camera. */
class AboutCamera private constructor(val id: String, private val characteristics: CameraCharacteristics) {
    val front: Boolean = characteristics.get(CameraCharacteristics.LENS_FACING) == CameraCharacteristics.LENS_FACING_FRONT

    /** How the sensor is built in, against the device's natural position. */
    val sensorDegrees: Int = characteristics.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0

    /** The simplest way in which the camera finds faces itself, or null where it finds none. */
    val faceMode: Int? = characteristics.get(CameraCharacteristics.STATISTICS_INFO_AVAILABLE_FACE_DETECT_MODES)
        ?.filter { it != CameraCharacteristics.STATISTICS_FACE_DETECT_MODE_OFF }?.minOrNull()

    /** Returns a reader of frames of about the wanted size; the camera keeps one of its two while the app has the other. */
    fun reader(): ImageReader {
        val sizes = characteristics.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
            ?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        val size = sizes.minByOrNull { abs(it.width * it.height - WANTED_PIXELS) }
            ?: throw IllegalStateException("it gives no YUV pictures")
        return ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2)
    }

    companion object {
        private const val WANTED_PIXELS = 640 * 480

        /** Returns the front camera, or the first one where there is none. */
        fun front(manager: CameraManager): AboutCamera {
            val all = manager.cameraIdList.map { AboutCamera(it, manager.getCameraCharacteristics(it)) }
            return all.find { it.front } ?: all.firstOrNull() ?: throw IllegalStateException("this device has none")
        }
    }
}
