package org.ferdeploy.core

import java.awt.BasicStroke
import java.awt.Color
import java.awt.Font
import java.awt.Graphics2D
import java.awt.RenderingHints
import java.awt.geom.Ellipse2D
import java.awt.geom.Path2D
import java.awt.geom.Rectangle2D
import java.awt.image.BufferedImage
import java.io.File
import javax.imageio.ImageIO

private const val WIDTH = 1080
private const val HEIGHT = 2340

/** Draws shapes as ScreenView does, a drawn head in place of the camera's picture, and writes half-size PNG. */
internal fun picture(shapes: List<Shape>, cameraSide: Float, file: File, drawFace: Boolean) {
    val image = BufferedImage(WIDTH / 2, HEIGHT / 2, BufferedImage.TYPE_INT_RGB)
    val graphics = image.createGraphics()
    graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON)
    graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON)
    graphics.scale(0.5, 0.5)
    graphics.color = Color(0x2E3640)
    graphics.fill(Rectangle2D.Float(0f, 0f, cameraSide, cameraSide))
    if (drawFace) head(graphics, cameraSide.toDouble())
    shapes.forEach { draw(graphics, it) }
    graphics.dispose()
    file.parentFile.mkdirs()
    ImageIO.write(image, "png", file)
}

private fun head(graphics: Graphics2D, side: Double) {
    fun disc(colour: Int, x: Double, y: Double, width: Double, height: Double) {
        graphics.color = Color(colour)
        graphics.fill(Ellipse2D.Double((x - width / 2) * side, (y - height / 2) * side, width * side, height * side))
    }
    disc(0x56606B, 0.5, 1.05, 0.8, 0.6)
    disc(0xC9A687, 0.5, 0.5, 0.42, 0.56)
    for (x in listOf(0.42, 0.58)) disc(0x2B2B2B, x, 0.45, 0.04, 0.04)
    graphics.color = Color(0x7A3B32)
    graphics.stroke = BasicStroke(10f)
    graphics.draw(java.awt.geom.Arc2D.Double(0.41 * side, 0.5 * side, 0.18 * side, 0.15 * side, 200.0, 140.0, 0))
}

private fun draw(graphics: Graphics2D, shape: Shape) {
    when (shape) {
        is Shape.Rectangle -> {
            graphics.color = Color(shape.fill.toInt(), true)
            graphics.fill(Rectangle2D.Float(shape.x, shape.y, shape.width, shape.height))
        }
        is Shape.Frame -> {
            graphics.color = Color(shape.colour.toInt(), true)
            graphics.stroke = BasicStroke(shape.line)
            graphics.draw(Rectangle2D.Float(shape.x, shape.y, shape.width, shape.height))
        }
        is Shape.Text -> {
            graphics.color = Color(shape.colour.toInt(), true)
            graphics.font = Font(Font.SANS_SERIF, Font.PLAIN, 1).deriveFont(shape.size)
            val width = if (shape.atEnd) graphics.fontMetrics.stringWidth(shape.text) else 0
            graphics.drawString(shape.text, shape.x - width, shape.y)
        }
        is Shape.Curve -> {
            graphics.color = Color(shape.colour.toInt(), true)
            graphics.stroke = BasicStroke(shape.line)
            val path = Path2D.Float()
            for (at in shape.points.indices step 2) {
                if (at == 0) path.moveTo(shape.points[0], shape.points[1]) else path.lineTo(shape.points[at], shape.points[at + 1])
            }
            graphics.draw(path)
        }
    }
}
