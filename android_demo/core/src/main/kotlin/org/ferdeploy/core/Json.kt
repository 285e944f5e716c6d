package org.ferdeploy.core

/** JSON that cannot be read; the message says what was expected and at which character. */
class JsonException(message: String) : Exception(message)

/**
 * Reads and writes JSON (RFC 8259) without a library, so that the core runs on Android and on any JVM.
 *
 * Objects become [Map], arrays [List], numbers [Double], the rest [String], [Boolean] and null. NaN and
 * infinities are refused both ways.
 */
object Json {
    fun parse(text: String): Any? = Reader(text).document()

    fun write(value: Any?): String = StringBuilder().also { append(it, value) }.toString()

    private fun append(out: StringBuilder, value: Any?) {
        when (value) {
            null, is Boolean, is Int, is Long -> out.append(value)
            is Double -> {
                require(value.isFinite()) { "JSON has no $value" }
                out.append(value)
            }
            is String -> appendString(out, value)
            is Map<*, *> -> appendAll(out, '{', '}', value.entries) { (key, item) ->
                appendString(out, key as String)
                out.append(':')
                append(out, item)
            }
            is List<*> -> appendAll(out, '[', ']', value) { append(out, it) }
            else -> throw IllegalArgumentException("no JSON for ${value::class}")
        }
    }

    private fun <T> appendAll(out: StringBuilder, open: Char, close: Char, items: Collection<T>, each: (T) -> Unit) {
        out.append(open)
        items.forEachIndexed { index, item ->
            if (index > 0) out.append(',')
            each(item)
        }
        out.append(close)
    }

    private fun appendString(out: StringBuilder, text: String) {
        out.append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> out.append('\\').append(char)
                char < ' ' -> out.append("\\u%04x".format(char.code))
                else -> out.append(char)
            }
        }
        out.append('"')
    }
}

private class Reader(private val text: String) {
    private var at = 0

    fun document(): Any? {
        val value = value(0)
        skipSpace()
        if (at != text.length) fail("the end")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MAX_DEPTH) fail("less than $MAX_DEPTH levels")
        skipSpace()
        return when (peek()) {
            '{' -> obj(depth)
            '[' -> array(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun obj(depth: Int): Map<String, Any?> {
        val map = LinkedHashMap<String, Any?>()
        items('}') {
            skipSpace()
            if (peek() != '"') fail("a key")
            val key = string()
            skipSpace()
            if (peek() != ':') fail("':'")
            at++
            map[key] = value(depth + 1)
        }
        return map
    }

    private fun array(depth: Int): List<Any?> {
        val list = ArrayList<Any?>()
        items(']') { list.add(value(depth + 1)) }
        return list
    }

    private fun items(close: Char, item: () -> Unit) {
        at++
        skipSpace()
        if (peek() == close) {
            at++
            return
        }
        while (true) {
            item()
            skipSpace()
            val next = peek()
            if (next != ',' && next != close) fail("',' or '$close'")
            at++
            if (next == close) return
        }
    }

    private fun string(): String {
        at++
        val out = StringBuilder()
        while (true) {
            val char = peek()
            if (char < ' ') fail("the end of a string")
            at++
            when (char) {
                '"' -> return out.toString()
                '\\' -> out.append(escaped())
                else -> out.append(char)
            }
        }
    }

    private fun escaped(): Char {
        val char = peek()
        at++
        return when (char) {
            '"', '\\', '/' -> char
            'b' -> '\b'
            'f' -> '\u000C'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> {
                val hex = text.substring(at, minOf(at + 4, text.length))
                if (!HEX.matches(hex)) fail("four hex digits")
                at += 4
                hex.toInt(16).toChar()
            }
            else -> fail("an escape")
        }
    }

    private fun number(): Double {
        val found = NUMBER.matchAt(text, at) ?: fail("a value")
        at = found.range.last + 1
        val number = found.value.toDouble()
        if (!number.isFinite()) fail("a number that a double holds")
        return number
    }

    private fun <T> word(word: String, value: T): T {
        if (!text.startsWith(word, at)) fail("a value")
        at += word.length
        return value
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    /** The next character, or NUL, which no JSON has, at the end. */
    private fun peek(): Char = if (at < text.length) text[at] else '\u0000'

    private fun fail(wanted: String): Nothing = throw JsonException("expected $wanted at character $at")

    private companion object {
        const val MAX_DEPTH = 64
        val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
        val HEX = Regex("[0-9a-fA-F]{4}")
    }
}
