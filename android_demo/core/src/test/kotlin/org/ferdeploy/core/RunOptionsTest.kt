package org.ferdeploy.core

import kotlin.test.Test
import kotlin.test.assertEquals

class RunOptionsTest {
    private val targets = linkedMapOf("artifact" to "onnx", "a program" to "executorch")

    @Test
    fun `what was chosen comes back`() {
        for (options in listOf(RunOptions("artifact", Provider.XNNPACK, 4), RunOptions("a program", threads = 2))) {
            assertEquals(options, RunOptions.decode(options.encode(), targets))
        }
    }

    @Test
    fun `what is not possible any more becomes what is`() {
        for (text in listOf(null, "", "x", "9 CUDA nothing", "1 NNAPI gone")) {
            assertEquals("artifact", RunOptions.decode(text, targets).artifact)
            assertEquals(1, RunOptions.decode(text, targets).threads)
        }
        assertEquals(RunOptions("a program", Provider.DEFAULT, 2), RunOptions.decode("2 NNAPI a program", targets))
    }

    @Test
    fun `the screen names what it runs on`() {
        val info = Artifact.open(Vectors.artifact).info
        assertEquals("ONNX Runtime CPU, 1 thread", RunOptions("artifact").describe(info))
        assertEquals("ONNX Runtime with NNAPI, 2 threads", RunOptions("artifact", Provider.NNAPI, 2).describe(info))
        assertEquals(Provider.values().toList(), Provider.of("onnx"))
        for (target in listOf("executorch", "litert")) assertEquals(listOf(Provider.DEFAULT), Provider.of(target))
    }
}
