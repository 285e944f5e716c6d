package org.ferdeploy.core

/** Base64 as RFC 4648 section 4 has it. java.util.Base64 came with Android 8, build-apk.sh compiles against Android 6. */
internal object Base64 {
    private const val ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    /** Returns the bytes of [text], or null when it is not padded base64. */
    fun decode(text: String): ByteArray? {
        if (text.length % 4 != 0) return null
        val padding = text.length - text.trimEnd('=').length
        if (padding > 2) return null
        val out = ByteArray(text.length / 4 * 3 - padding)
        for (index in 0 until text.length - padding) {
            val bits = ALPHABET.indexOf(text[index])
            if (bits < 0) return null
            val place = 6 * index / 8
            when (6 * index % 8) {
                0 -> out[place] = (bits shl 2).toByte()
                2 -> out[place] = (out[place].toInt() or bits).toByte()
                4 -> {
                    out[place] = (out[place].toInt() or (bits shr 2)).toByte()
                    if (place + 1 < out.size) out[place + 1] = (bits shl 6).toByte()
                }
                else -> {
                    out[place] = (out[place].toInt() or (bits shr 4)).toByte()
                    if (place + 1 < out.size) out[place + 1] = (bits shl 4).toByte()
                }
            }
        }
        return out
    }
}
