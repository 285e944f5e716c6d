package org.ferdeploy.core

enum class Colour { GREY, RGB }

enum class Kernel { BILINEAR, BICUBIC }

/**
 * How a photograph of a face becomes the network's input: crop the face box widened by [cropMargin], convert
 * to [colour], resize. The network normalises by [mean] and [std] itself: it is given pixels 0..255.
 */
data class InputSpec(
    val height: Int,
    val width: Int,
    val colour: Colour,
    val resize: Kernel,
    val cropMargin: Double,
    val mean: List<Double>,
    val std: List<Double>,
) {
    val channels: Int get() = if (colour == Colour.GREY) 1 else 3

    /** (1, channels, height, width). */
    val shape: List<Int> get() = listOf(1, channels, height, width)
}

/** Tells pictures without a face by their logits, with one weight per label; see [noFaceProbability]. */
data class NoFace(val weights: List<Double>, val energy: Double, val bias: Double, val above: Double)

/**
 * Logits are divided by [temperature] before the softmax; a top probability below [unsureBelow] is no answer. Without
 * [noFace] every picture is taken for a face.
 */
data class Confidence(val temperature: Double, val unsureBelow: Double, val noFace: NoFace? = null) {
    /** Whether a picture is taken for a face when [probability] is that it shows none; null where nothing tells. */
    fun isFace(probability: Double?): Boolean = noFace == null || probability == null || probability <= noFace.above

    companion object {
        /** That of a contract without one: the plain softmax, and an answer for every face. */
        val PLAIN = Confidence(temperature = 1.0, unsureBelow = 0.0)
    }
}

/** What the model expects and what it answers. */
data class Contract(
    val labels: List<String>,
    val input: InputSpec,
    val trainedOn: String,
    val confidence: Confidence = Confidence.PLAIN,
)

internal fun contractOf(fields: Fields): Contract {
    val labels = fields.texts("labels")
    if (labels.size < 2 || labels.toSet().size != labels.size || labels.any { it.isBlank() }) {
        fields.fail("labels", "must be two or more, not empty and all different: $labels")
    }
    return Contract(
        labels,
        inputOf(fields.child("input")),
        fields.child("trained_on").text("dataset"),
        fields.childOrNull("confidence")?.let { confidenceOf(it, labels.size) } ?: Confidence.PLAIN,
    )
}

private fun confidenceOf(fields: Fields, labels: Int): Confidence {
    val confidence = Confidence(
        fields.number("temperature"),
        fields.number("unsure_below"),
        fields.childOrNull("no_face")?.let { noFaceOf(it, labels) },
    )
    if (!(confidence.temperature > 0)) fields.fail("temperature", "is not above zero: ${confidence.temperature}")
    if (!(confidence.unsureBelow >= 0 && confidence.unsureBelow < 1)) {
        fields.fail("unsure_below", "is not from 0 to below 1: ${confidence.unsureBelow}")
    }
    return confidence
}

/** That the numbers are finite is checked by [Json], which reads no others. */
private fun noFaceOf(fields: Fields, labels: Int): NoFace {
    val rule = NoFace(fields.numbers("weights"), fields.number("energy"), fields.number("bias"), fields.number("above"))
    if (rule.weights.size != labels) fields.fail("weights", "has ${rule.weights.size} values for $labels labels")
    if (!(rule.above > 0 && rule.above < 1)) fields.fail("above", "is not between 0 and 1: ${rule.above}")
    return rule
}

private fun inputOf(fields: Fields): InputSpec {
    if (!fields.flag("antialias")) fields.fail("antialias", "is false, and this app always antialiases")
    val spec = InputSpec(
        height = side(fields, "height"),
        width = side(fields, "width"),
        colour = choice<Colour>(fields, "color"),
        resize = choice<Kernel>(fields, "resize"),
        cropMargin = fields.number("crop_margin"),
        mean = fields.numbers("mean"),
        std = fields.numbers("std"),
    )
    if (spec.cropMargin !in 0.0..1.0) fields.fail("crop_margin", "is not in 0..1: ${spec.cropMargin}")
    for ((name, values) in listOf("mean" to spec.mean, "std" to spec.std)) {
        if (values.size != spec.channels) fields.fail(name, "has ${values.size} values for ${spec.channels} channels")
    }
    return spec
}

private fun side(fields: Fields, name: String): Int {
    val side = fields.int(name)
    if (side !in 16..512) fields.fail(name, "is not in 16..512: $side")
    return side
}

private inline fun <reified T : Enum<T>> choice(fields: Fields, name: String): T {
    val text = fields.text(name)
    return enumValues<T>().find { it.name.lowercase() == text } ?: fields.fail(name, "is unknown to this app: $text")
}
