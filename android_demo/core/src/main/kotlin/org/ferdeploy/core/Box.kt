package org.ferdeploy.core

/** A rectangle in pixels; [right] and [bottom] are exclusive. */
data class Box(val left: Int, val top: Int, val right: Int, val bottom: Int) {
    init {
        require(left < right && top < bottom) { "box ($left, $top, $right, $bottom) is empty" }
    }

    val width: Int get() = right - left
    val height: Int get() = bottom - top

    /** Returns the box with [margin] times its width and height added on each side, rounded half up. */
    fun widened(margin: Double): Box {
        val dx = (width * margin + 0.5).toInt()
        val dy = (height * margin + 0.5).toInt()
        return Box(left - dx, top - dy, right + dx, bottom + dy)
    }

    /**
     * Returns where this box lies after a picture of [imageWidth] x [imageHeight] is turned clockwise by [turns]
     * quarter turns.
     */
    fun turnedClockwise(turns: Int, imageWidth: Int, imageHeight: Int): Box = when (turns.mod(4)) {
        0 -> this
        1 -> Box(imageHeight - bottom, left, imageHeight - top, right)
        2 -> Box(imageWidth - right, imageHeight - bottom, imageWidth - left, imageHeight - top)
        else -> Box(top, imageWidth - right, bottom, imageWidth - left)
    }

    companion object {
        /**
         * Ratios of an adult face: its breadth is 2.2 times the distance of the pupils (140 mm to 63 mm), and
         * the pupils lie at two fifths of the height of a square box from brow to chin. Detectors that give
         * eyes instead of a box differ from the boxes of a training set; measure before you rely on it.
         */
        private const val SIDE_PER_EYE_DISTANCE = 2.2
        private const val EYES_FROM_TOP = 0.4

        /** Returns the square face box around eyes that are [eyeDistance] apart, their middle at ([x], [y]). */
        fun aroundEyes(x: Double, y: Double, eyeDistance: Double): Box {
            val side = maxOf(1, Math.round(eyeDistance * SIDE_PER_EYE_DISTANCE).toInt())
            val left = Math.round(x - side / 2.0).toInt()
            val top = Math.round(y - side * EYES_FROM_TOP).toInt()
            return Box(left, top, left + side, top + side)
        }

        /**
         * Returns a box of the sensor's active array in pixels of a stream of [width] x [height].
         *
         * The stream shows the middle of [crop] (the active crop region), cut to the stream's aspect ratio, as
         * Android's `SCALER_CROP_REGION` documents. Null when nothing of [face] is left.
         */
        fun fromSensor(face: Box, crop: Box, width: Int, height: Int): Box? {
            val scale = minOf(crop.width.toDouble() / width, crop.height.toDouble() / height)
            val originX = crop.left + (crop.width - width * scale) / 2
            val originY = crop.top + (crop.height - height * scale) / 2
            val left = Math.round((face.left - originX) / scale).toInt()
            val top = Math.round((face.top - originY) / scale).toInt()
            val right = Math.round((face.right - originX) / scale).toInt()
            val bottom = Math.round((face.bottom - originY) / scale).toInt()
            val visible = left < width && top < height && right > 0 && bottom > 0
            return if (visible && left < right && top < bottom) Box(left, top, right, bottom) else null
        }
    }
}
