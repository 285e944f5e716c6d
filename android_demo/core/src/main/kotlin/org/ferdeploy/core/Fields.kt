package org.ferdeploy.core

/** An artifact folder that cannot be used: what is wrong, where, in one sentence. */
class ArtifactException(message: String) : Exception(message)

/** The members of one JSON object, read by name; every complaint says where: `artifact.json: input.shape ...`. */
internal class Fields private constructor(private val where: String, private val map: Map<*, *>) {
    operator fun contains(name: String): Boolean = name in map

    fun text(name: String): String = require(name)

    fun flag(name: String): Boolean = require(name)

    fun number(name: String): Double = require(name)

    fun int(name: String): Int = integer(name, require(name))

    fun child(name: String): Fields = Fields(path(name) + ".", require<Map<*, *>>(name))

    /** Returns the object [name], or null where there is none or it is null. */
    fun childOrNull(name: String): Fields? = if (map[name] == null) null else child(name)

    fun texts(name: String): List<String> = list(name)

    fun numbers(name: String): List<Double> = list(name)

    fun ints(name: String): List<Int> = list<Double>(name).map { integer(name, it) }

    fun children(name: String): List<Fields> =
        list<Map<*, *>>(name).mapIndexed { index, item -> Fields("${path(name)}.$index.", item) }

    /** Complains about the member [name]. */
    fun fail(name: String, complaint: String): Nothing = throw ArtifactException("${path(name)} $complaint")

    private fun integer(name: String, value: Double): Int {
        if (value != Math.rint(value) || Math.abs(value) > Int.MAX_VALUE) fail(name, "is not a whole number: $value")
        return value.toInt()
    }

    private inline fun <reified T> list(name: String): List<T> =
        require<List<*>>(name).map { it as? T ?: fail(name, "has an entry of the wrong kind: $it") }

    private inline fun <reified T> require(name: String): T {
        if (name !in map) fail(name, "is missing")
        return map[name] as? T ?: fail(name, "is of the wrong kind: ${map[name]}")
    }

    private fun path(name: String) = where + name

    companion object {
        /** Returns the members of the JSON object in [text], which is the content of [file]. */
        fun parse(text: String, file: String): Fields {
            val value = try {
                Json.parse(text)
            } catch (error: JsonException) {
                throw ArtifactException("$file is not JSON: ${error.message}")
            }
            return Fields("$file: ", value as? Map<*, *> ?: throw ArtifactException("$file is not a JSON object"))
        }
    }
}
