package org.ferdeploy.core

import java.io.File

/** Plays the app's benchmark activity on a JVM, for the tests of the adb transport: JOB RESULTS PROTOCOL. */
fun main(arguments: Array<String>) {
    val (job, results, protocol) = arguments
    BenchmarkJob(File(job), File(results)).run({ _, _ -> PixelEngine() }, protocol, ProcPeakMemory())
}
