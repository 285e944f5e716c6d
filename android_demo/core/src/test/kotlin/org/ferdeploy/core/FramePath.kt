package org.ferdeploy.core

import java.lang.management.ManagementFactory

/** What a camera frame of 640 x 480 takes on this JVM, from its bytes to the screen's state: milliseconds and bytes. */
internal class FramePath(colour: Colour) {
    private val spec = InputSpec(48, 48, colour, Kernel.BILINEAR, 0.1, emptyList(), emptyList())
    private val frame = noise(java.util.Random(1), 640, 480, semiPlanar = true)
    private val upright = Upright(colour)
    private val pixels = FacePixels(spec)
    private val threads = ManagementFactory.getThreadMXBean() as com.sun.management.ThreadMXBean

    /** What is new with each frame: the planes in Android's buffers. */
    private val buffers = listOf(frame.luma, frame.blue, frame.red).map { plane ->
        java.nio.ByteBuffer.allocateDirect(plane.bytes.size).put(plane.bytes).also { it.flip() } to plane
    }
    private val read = if (colour == Colour.GREY) buffers.take(1) else buffers
    private var count = 0

    /** One frame; faces come in changing sizes, as they do. */
    fun run() {
        for ((buffer, plane) in read) {
            buffer.rewind()
            plane.fill(buffer, plane.rowStride, plane.pixelStride)
        }
        val side = 200 + count++ % 7 * 20
        pixels.floats(upright.of(frame, 3), Box(60, 50, 60 + side, 50 + side))
    }

    /** Bytes that one frame allocates, once everything is there. */
    fun bytes(): Long {
        repeat(50) { run() }
        val before = threads.currentThreadAllocatedBytes
        repeat(100) { run() }
        return (threads.currentThreadAllocatedBytes - before) / 100
    }

    /** Median and best milliseconds of 300 frames after as many. */
    fun milliseconds(): Pair<Double, Double> {
        repeat(300) { run() }
        val samples = List(300) { System.nanoTime().let { start -> run(); (System.nanoTime() - start) / 1e6 } }
        return quantile(samples, 0.5) to samples.min()
    }
}

/** Measures the frame path and, with the vectors' artifact, classifier and screen: `build-apk.sh bench`. */
fun main() {
    for (colour in Colour.values()) {
        val path = FramePath(colour)
        val (median, best) = path.milliseconds()
        println("%s: median %.2f ms, best %.2f ms, %d bytes a frame".format(null, colour, median, best, path.bytes()))
    }
    println("classifier and screen: %d bytes a frame".format(null, LiveCost().bytes()))
}

/** What classifying and laying out allocate, at 30 frames a second with ten seconds of history. */
internal class LiveCost {
    private val classifier = LiveClassifier(Artifact.open(Vectors.artifact), PixelEngine())
    private val seen = Seen(Picture(480, 480, IntArray(480 * 480) { 0xFF shl 24 or it * 5 }), Box(60, 50, 300, 290), 0)
    private val screen = Screen(1080f, 2340f)
    private val threads = ManagementFactory.getThreadMXBean() as com.sun.management.ThreadMXBean
    private var time = 0.0

    private fun run() {
        time += 1 / 30.0
        screen.shapes(classifier.state(seen, time))
    }

    fun bytes(): Long {
        repeat(400) { run() }
        val before = threads.currentThreadAllocatedBytes
        repeat(100) { run() }
        return (threads.currentThreadAllocatedBytes - before) / 100
    }
}
