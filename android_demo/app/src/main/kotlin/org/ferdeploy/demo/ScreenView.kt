package org.ferdeploy.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.graphics.Rect
import android.graphics.RectF
import android.view.MotionEvent
import android.view.View
import android.view.WindowInsets
import org.ferdeploy.core.Screen
import org.ferdeploy.core.ScreenState
import org.ferdeploy.core.Shape
import org.ferdeploy.core.Tap

/**
 * Draws the camera's picture and the shapes of [Screen], and tells [onTap] which button was tapped; decides nothing.
 * Everything stays clear of system bars and of the camera's cutout, which Android 15 draws over the app.
 */
@SuppressLint("ViewConstructor") // never made from XML
class ScreenView(context: Context, private val onTap: (Tap) -> Unit) : View(context) {
    private val paint = Paint(Paint.ANTI_ALIAS_FLAG or Paint.FILTER_BITMAP_FLAG)
    private val path = Path()
    private val square = RectF()
    private val safe = Rect()
    private var touchX = 0f
    private var touchY = 0f
    private var picture: Bitmap? = null
    private var state: ScreenState? = null

    /** Shows [state] over [picture]; call on the main thread. */
    fun show(state: ScreenState, picture: Bitmap?) {
        this.state = state
        this.picture = picture
        invalidate()
    }

    private fun screen() = Screen((width - safe.left - safe.right).toFloat(), (height - safe.top - safe.bottom).toFloat())

    @Suppress("DEPRECATION") // its successor came with Android 11, where this one has bars and cutout as well
    override fun onApplyWindowInsets(insets: WindowInsets): WindowInsets {
        safe.set(
            insets.systemWindowInsetLeft, insets.systemWindowInsetTop,
            insets.systemWindowInsetRight, insets.systemWindowInsetBottom,
        )
        invalidate()
        return insets.consumeSystemWindowInsets()
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        touchX = event.x - safe.left
        touchY = event.y - safe.top
        if (event.action == MotionEvent.ACTION_UP) performClick()
        return true
    }

    override fun performClick(): Boolean {
        super.performClick()
        state?.let { screen().tapped(it, touchX, touchY) }?.let(onTap)
        return true
    }

    override fun onDraw(canvas: Canvas) {
        canvas.drawColor(BLACK)
        val state = state ?: return
        canvas.translate(safe.left.toFloat(), safe.top.toFloat())
        val screen = screen()
        val side = screen.cameraSide
        picture?.let {
            canvas.save()
            if (state.mirrored) canvas.scale(-1f, 1f, side / 2, side / 2)
            square.set(0f, 0f, side, side)
            canvas.drawBitmap(it, null, square, paint)
            canvas.restore()
        }
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
                path.rewind()
                val points = shape.points
                for (at in points.indices step 2) {
                    if (at == 0) path.moveTo(points[0], points[1]) else path.lineTo(points[at], points[at + 1])
                }
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
