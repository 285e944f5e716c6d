package org.ferdeploy.core

import kotlin.test.Test
import kotlin.test.assertTrue

/** Bytes and not milliseconds: those depend on the machine and are in the README. */
class FramePathTest {
    @Test
    fun `a frame allocates next to nothing`() {
        for (colour in Colour.values()) {
            val bytes = FramePath(colour).bytes()
            assertTrue(bytes <= 2_000, "$bytes bytes for a frame in $colour")
        }
    }

    @Test
    fun `classifying and laying out a frame stay small`() {
        val bytes = LiveCost().bytes()
        assertTrue(bytes <= 50_000, "$bytes bytes a frame")
    }
}
