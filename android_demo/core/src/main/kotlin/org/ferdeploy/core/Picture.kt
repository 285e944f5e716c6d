package org.ferdeploy.core

/** [height] rows of [width] pixels; [colours] holds each as opaque 0xFFRRGGBB, which is what Android's bitmaps take. */
class Picture(val width: Int, val height: Int, val colours: IntArray = IntArray(width * height)) {
    init {
        require(width > 0 && height > 0) { "an image of $width x $height has no pixels" }
        require(colours.size == width * height) { "${colours.size} colours are no image of $width x $height" }
    }
}
