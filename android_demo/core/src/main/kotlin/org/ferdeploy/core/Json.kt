package org.ferdeploy.core

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.json.JSONTokener

/** JSON that cannot be read; the message says what was expected and at which character. */
class JsonException(message: String) : Exception(message)

/**
 * JSON by Android's own org.json, which is lenient: it also takes single quotes, comments, octal numbers, NaN and a key
 * twice. [parse] refuses those first, so that a file means the same here as to Python.
 *
 * Objects become [Map], arrays [List], numbers [Double], the rest [String], [Boolean] and null.
 */
object Json {
    fun parse(text: String): Any? {
        val pairs = checked(text)
        val value = try {
            JSONTokener(text).nextValue()
        } catch (error: JSONException) { // its message ends in " of " and the whole text
            throw JsonException(error.message.orEmpty().substringBefore(" of "))
        }
        if (members(value) != pairs) throw JsonException("expected every key once in its object")
        return plain(value)
    }

    fun write(value: Map<String, Any?>): String = json(value).toString()

    /** Checks every token and what may follow what; returns the number of colons, which is that of members. */
    private fun checked(text: String): Int {
        var at = 0
        var before = START
        var depth = 0
        var colons = 0
        while (at < text.length) {
            val token = TOKEN.matchAt(text, at)?.value ?: fail("a value", at)
            val first = token[0]
            val follows = first in ",:]}"
            val hole = before in OPEN && !(first == ']' && before == '[') && !(first == '}' && before == '{')
            when {
                first in SPACE -> Unit
                follows && hole -> fail("a value", at)
                !follows && before !in OPEN -> fail("',' or the end", at)
                first in "[{" && ++depth > MAX_DEPTH -> fail("less than $MAX_DEPTH levels", at)
                first in "]}" -> depth--
                first == ':' -> colons++
                first in "-0123456789" && !token.toDouble().isFinite() -> fail("a number that a double holds", at)
            }
            if (first !in SPACE) before = first
            at += token.length
        }
        if (before in OPEN || depth != 0) fail("a value", at)
        return colons
    }

    private fun members(value: Any?): Int = when (value) {
        is JSONObject -> value.length() + keys(value).sumOf { members(value.get(it)) }
        is JSONArray -> (0 until value.length()).sumOf { members(value.get(it)) }
        else -> 0
    }

    private fun plain(value: Any?): Any? = when (value) {
        is JSONObject -> keys(value).associateWith { plain(value.get(it)) }
        is JSONArray -> List(value.length()) { plain(value.get(it)) }
        is Number -> value.toDouble()
        JSONObject.NULL -> null
        else -> value
    }

    /** Older releases of these classes do not say that keys are strings. */
    private fun keys(value: JSONObject): List<String> = value.keys().asSequence().map { it.toString() }.toList()

    private fun json(value: Any?): Any = when (value) {
        null -> JSONObject.NULL
        is Map<*, *> -> JSONObject().also { out -> value.forEach { (key, item) -> out.put(key as String, json(item)) } }
        is List<*> -> JSONArray().also { out -> value.forEach { out.put(json(it)) } }
        is Double -> value.also { require(it.isFinite()) { "JSON has no $it" } }
        is String, is Boolean, is Int, is Long -> value
        else -> throw IllegalArgumentException("no JSON for ${value::class}")
    }

    private fun fail(wanted: String, at: Int): Nothing = throw JsonException("expected $wanted at character $at")

    private const val MAX_DEPTH = 64
    private const val SPACE = " \t\r\n"

    /** Stands before the first token. */
    private const val START = ' '

    /** After these a value must follow. */
    private const val OPEN = "$START,:[{"

    /** One token of RFC 8259, or spaces. The loops are possessive: others overflow the stack on long strings. */
    private val TOKEN = Regex(
        "[ \\t\\r\\n]++|[{}\\[\\],:]|true|false|null|-?(?:0|[1-9][0-9]*+)(?:\\.[0-9]++)?(?:[eE][+-]?[0-9]++)?" +
            "|\"[^\"\\\\\\x00-\\x1f]*+(?:\\\\(?:[\"\\\\/bfnrt]|u[0-9a-fA-F]{4})[^\"\\\\\\x00-\\x1f]*+)*+\"",
    )
}
