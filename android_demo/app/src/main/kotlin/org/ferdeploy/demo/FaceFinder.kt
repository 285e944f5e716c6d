package org.ferdeploy.demo

import android.graphics.Bitmap
import android.graphics.PointF
import android.media.FaceDetector
import org.ferdeploy.core.Box
import org.ferdeploy.core.RgbImage

/** Android's own face detector, for cameras that find no faces themselves. */
object FaceFinder {
    /** Returns the box around the face in an upright picture, or null. */
    fun find(image: RgbImage): Box? {
        // The detector wants an even width.
        val bitmap = bitmap(image).copy(Bitmap.Config.RGB_565, false)
        val even = if (bitmap.width % 2 == 0) bitmap else Bitmap.createBitmap(bitmap, 0, 0, bitmap.width - 1, bitmap.height)
        val faces = arrayOfNulls<FaceDetector.Face>(1)
        FaceDetector(even.width, even.height, faces.size).findFaces(even, faces)
        val face = faces[0] ?: return null
        val middle = PointF().also(face::getMidPoint)
        return Box.aroundEyes(middle.x.toDouble(), middle.y.toDouble(), face.eyesDistance().toDouble())
    }

    /** Returns [image] as an opaque bitmap. */
    fun bitmap(image: RgbImage): Bitmap {
        val colours = IntArray(image.width * image.height) { index ->
            val red = image.bytes[3 * index].toInt() and 0xFF
            val green = image.bytes[3 * index + 1].toInt() and 0xFF
            val blue = image.bytes[3 * index + 2].toInt() and 0xFF
            (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
        }
        return Bitmap.createBitmap(colours, image.width, image.height, Bitmap.Config.ARGB_8888)
    }
}
