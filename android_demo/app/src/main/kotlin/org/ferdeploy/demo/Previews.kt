package org.ferdeploy.demo

import android.graphics.Bitmap
import org.ferdeploy.core.Picture

/** Two bitmaps in turn, so that one can be filled while the other is drawn. */
class Previews {
    private val bitmaps = arrayOfNulls<Bitmap>(2)
    private var next = 0

    fun of(picture: Picture): Bitmap {
        next = 1 - next
        val bitmap = bitmaps[next]?.takeIf { it.width == picture.width && it.height == picture.height }
            ?: Bitmap.createBitmap(picture.width, picture.height, Bitmap.Config.ARGB_8888).also { bitmaps[next] = it }
        bitmap.setPixels(picture.colours, 0, picture.width, 0, 0, picture.width, picture.height)
        return bitmap
    }
}
