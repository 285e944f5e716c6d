package org.ferdeploy.demo

import android.graphics.Bitmap
import android.graphics.PointF
import android.media.FaceDetector
import org.ferdeploy.core.Box
import org.ferdeploy.core.FaceFinder
import org.ferdeploy.core.Picture

/**
 * Android's own [FaceDetector], for cameras that find no faces themselves. It needs nothing and finds little: upright
 * faces from the front with both eyes visible, slowly; it has not changed since Android 1.
 */
class PlatformFaces : FaceFinder {
    override val onlyWithoutTheCameras = true
    private var detector: FaceDetector? = null
    private var bitmap: Bitmap? = null
    private val faces = arrayOfNulls<FaceDetector.Face>(1)
    private val middle = PointF()

    override fun find(picture: Picture): Box? {
        val width = picture.width and 1.inv() // The detector wants an even width.
        if (width == 0) return null
        val used = bitmap?.takeIf { it.width == width && it.height == picture.height }
            ?: Bitmap.createBitmap(width, picture.height, Bitmap.Config.RGB_565).also {
                bitmap = it
                detector = FaceDetector(width, picture.height, faces.size)
            }
        used.setPixels(picture.colours, 0, picture.width, 0, 0, width, picture.height)
        faces[0] = null
        detector?.findFaces(used, faces)
        val face = faces[0] ?: return null
        face.getMidPoint(middle)
        return Box.aroundEyes(middle.x.toDouble(), middle.y.toDouble(), face.eyesDistance().toDouble())
    }

    override fun close() = Unit
}
