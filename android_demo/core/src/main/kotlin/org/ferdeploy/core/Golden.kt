package org.ferdeploy.core

import kotlin.math.abs

/** One input and the logits it must give. */
class GoldenVector(val name: String, val pixels: ByteArray, val logits: FloatArray)

/** How far this device is from the golden logits. */
data class GoldenVerdict(val worst: Double, val worstVector: String, val allowed: Double) {
    val agrees: Boolean get() = worst <= allowed

    override fun toString(): String {
        val relation = if (agrees) "within" else "beyond"
        return "logits differ by up to %.4g (%s), %s the allowed %.4g".format(null, worst, worstVector, relation, allowed)
    }
}

/** `golden.json`: a device that gives other logits than these must say so and must not classify. */
class Golden(
    val contractSha256: String,
    val artifactSha256: String,
    val reference: String,
    val maxAbsDifference: Double,
    val vectors: List<GoldenVector>,
) {
    /** Runs every vector through [engine]. Logits that are not numbers count as infinitely far. */
    fun check(engine: Engine): GoldenVerdict {
        var worst = -1.0
        var name = ""
        for (vector in vectors) {
            val difference = difference(engine.logits(FacePixels.floats(vector.pixels)), vector.logits)
            if (difference > worst) {
                worst = difference
                name = vector.name
            }
        }
        return GoldenVerdict(worst, name, maxAbsDifference)
    }

    companion object {
        /** Decodes the text of a `golden.json` that belongs to a model with [contract]. */
        fun of(text: String, contract: Contract): Golden {
            val fields = Fields.parse(text, Artifact.GOLDEN_FILE)
            val count = contract.input.shape.reduce(Int::times)
            val vectors = fields.children("vectors").map { vector ->
                val pixels = Base64.decode(vector.text("pixels_base64"))
                    ?: vector.fail("pixels_base64", "is not base64")
                if (pixels.size != count) vector.fail("pixels_base64", "holds ${pixels.size} pixels, not $count")
                val logits = vector.numbers("logits").map { it.toFloat() }.toFloatArray()
                if (logits.size != contract.labels.size) {
                    vector.fail("logits", "has ${logits.size} values for ${contract.labels.size} labels")
                }
                GoldenVector(vector.text("name"), pixels, logits)
            }
            if (vectors.isEmpty()) fields.fail("vectors", "is empty: nothing can be checked")
            return Golden(
                contractSha256 = fields.text("contract_sha256"),
                artifactSha256 = fields.text("artifact_sha256"),
                reference = fields.text("reference"),
                maxAbsDifference = fields.number("max_abs_difference"),
                vectors = vectors,
            )
        }

        private fun difference(got: FloatArray, wanted: FloatArray): Double {
            if (got.size != wanted.size) return Double.POSITIVE_INFINITY
            return wanted.indices.maxOf { index ->
                val difference = abs(got[index].toDouble() - wanted[index])
                if (difference.isNaN()) Double.POSITIVE_INFINITY else difference
            }
        }
    }
}
