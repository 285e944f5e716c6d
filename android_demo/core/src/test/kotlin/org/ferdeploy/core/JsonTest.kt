package org.ferdeploy.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class JsonTest {
    @Test
    fun `values come back as they were written`() {
        val value = mapOf(
            "text" to "a \"quoted\" \\ line\nand \u0001 ä 😀",
            "numbers" to listOf(0.0, -1.5, 1e-300, 12345678.0),
            "nothing" to null,
            "flags" to listOf(true, false),
            "empty" to listOf(emptyMap<String, Any>(), emptyList<Any>()),
        )
        assertEquals(value, Json.parse(Json.write(value)))
    }

    @Test
    fun `escapes and spaces are read`() {
        assertEquals(mapOf("a" to listOf("A/\t\b\u000C\r", 10.0)), Json.parse(" {\"a\" : [ \"\\u0041\\/\\t\\b\\f\\r\" , 1e1 ] }\n"))
    }

    @Test
    fun `what is no JSON is refused`() {
        val broken = listOf(
            "", "{", "[1,]", "[1 2]", "{\"a\"}", "{a:1}", "01", "+1", "1.", "NaN", "tru", "\"a", "\"\n\"", "\"\\x\"",
            "\"\\u00g0\"", "\"\\u+123\"", "1e999", "[1] 2", "[01]", "[1,,2]", "[,1]", "{,}", "{\"a\":1,}", "['a']", "[1] // a", "{\"a\"=1}", "[0x10]", "[NaN]",
            "{\"a\":1,\"a\":2}", "[{\"b\":{\"a\":[],\"c\":1,\"a\":2}}]", "[\"a\"\"b\"]", "[1}", "]", "{\"a\":1:2}", "{\"a\",\"b\"}", "[".repeat(100) + "]".repeat(100),
        )
        for (text in broken) assertFailsWith<JsonException>(text) { Json.parse(text) }
        assertEquals("expected every key once in its object", assertFailsWith<JsonException> { Json.parse("{\"a\":1,\"a\":2}") }.message)
        assertEquals("x".repeat(1 shl 20), Json.parse("\"" + "x".repeat(1 shl 20) + "\"")) // and no stack overflows
        assertFailsWith<IllegalArgumentException> { Json.write(mapOf("a" to listOf(Double.NaN))) }
    }
}
