package org.ferdeploy.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.graphics.RectF
import android.view.View
import org.ferdeploy.core.Screen
import org.ferdeploy.core.ScreenState
import org.ferdeploy.core.Shape

/** Draws the camera's picture and the shapes of [Screen]; decides nothing. */
class ScreenView(context: Context) : View(context) {
    private val paint = Paint(Paint.ANTI_ALIAS_FLAG or Paint.FILTER_BITMAP_FLAG)
    private var picture: Bitmap? = null
    private var state: ScreenState? = null

    /** Shows [state] over [picture]; call on the main thread. */
    fun show(state: ScreenState, picture: Bitmap?) {
        this.state = state
        this.picture = picture
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        canvas.drawColor(BLACK)
        val state = state ?: return
        val screen = Screen(width.toFloat(), height.toFloat())
        val side = screen.cameraSide
        picture?.let { canvas.drawBitmap(it, null, RectF(0f, 0f, side, side), paint) }
        screen.shapes(state).forEach { draw(canvas, it) }
    }

    private fun draw(canvas: Canvas, shape: Shape) {
        when (shape) {
            is Shape.Rectangle -> {
                set(shape.fill, Paint.Style.FILL)
                canvas.drawRect(shape.x, shape.y, shape.x + shape.width, shape.y + shape.height, paint)
            }
            is Shape.Frame -> {
                set(shape.colour, Paint.Style.STROKE, shape.line)
                canvas.drawRect(shape.x, shape.y, shape.x + shape.width, shape.y + shape.height, paint)
            }
            is Shape.Text -> {
                set(shape.colour, Paint.Style.FILL)
                paint.textSize = shape.size
                paint.textAlign = if (shape.atEnd) Paint.Align.RIGHT else Paint.Align.LEFT
                canvas.drawText(shape.text, shape.x, shape.y, paint)
            }
            is Shape.Curve -> {
                set(shape.colour, Paint.Style.STROKE, shape.line)
                val path = Path()
                shape.points.forEachIndexed { index, (x, y) -> if (index == 0) path.moveTo(x, y) else path.lineTo(x, y) }
                canvas.drawPath(path, paint)
            }
        }
    }

    private fun set(colour: Long, style: Paint.Style, line: Float = 0f) {
        paint.color = colour.toInt()
        paint.style = style
        paint.strokeWidth = line
    }

    private companion object {
        const val BLACK = 0xFF000000.toInt()
    }
}
