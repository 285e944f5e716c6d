package org.ferdeploy.core

import java.io.File

/** The vectors that Python, Kotlin and Swift are tested with: `tests/apps/vectors` of the repository. */
internal object Vectors {
    private val folder = File(System.getProperty("vectors") ?: error("run with -Dvectors=.../tests/apps/vectors"))

    val artifact = File(folder, "artifact")

    /** The members of the vector file; -DvectorFile names another one of the same kind. */
    val document: Map<String, List<Map<String, Any?>>> by lazy {
        val file = System.getProperty("vectorFile")?.let(::File) ?: File(folder, "preprocessing.json")
        @Suppress("UNCHECKED_CAST")
        Json.parse(file.readText()) as Map<String, List<Map<String, Any?>>>
    }

    fun box(value: Any?): Box? = value?.let {
        val (left, top, right, bottom) = numbers(it).map(Double::toInt)
        Box(left, top, right, bottom)
    }

    @Suppress("UNCHECKED_CAST")
    fun noFace(value: Any?): NoFace? = (value as Map<String, Any?>?)?.let {
        NoFace(numbers(it["weights"]), it["energy"] as Double, it["bias"] as Double, it["above"] as Double)
    }

    fun numbers(value: Any?): List<Double> = (value as List<*>).map { it as Double }
}

internal fun Map<String, Any?>.int(name: String): Int = (this[name] as Double).toInt()

internal fun Map<String, Any?>.text(name: String): String = this[name] as String

/** The picture of a vector; `tests/apps/make_vectors.py` documents the formula. */
internal fun picture(vector: Map<String, Any?>): Picture {
    val width = vector.int("width")
    val height = vector.int("height")
    val channels = if (vector.text("source") == "grey") 1 else 3
    val out = IntArray(width * height) { 0xFF shl 24 }
    var state = (vector["seed"] as Double).toLong().toInt()
    for (y in 0 until height) for (x in 0 until width) {
        var value = 0
        for (channel in 0 until 3) {
            if (channel < channels) {
                if (vector.text("pattern") == "waves") {
                    value = ((7 * x + 13 * y + 85 * channel + (vector["seed"] as Double).toLong()) % 256).toInt()
                } else {
                    state = state xor (state shl 13)
                    state = state xor (state ushr 17)
                    state = state xor (state shl 5)
                    value = state ushr 24
                    if (vector.text("pattern") == "extremes") value = if (value >= 128) 255 else 0
                }
            }
            out[y * width + x] = out[y * width + x] or (value shl (16 - 8 * channel))
        }
    }
    return Picture(width, height, out)
}
