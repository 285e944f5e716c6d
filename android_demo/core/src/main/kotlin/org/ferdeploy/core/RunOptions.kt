package org.ferdeploy.core

/** How the runtime computes. All but [DEFAULT] are ONNX Runtime's; the other runtimes have one way here. */
enum class Provider(val label: String) {
    DEFAULT("as exported"),
    XNNPACK("ONNX Runtime with XNNPACK"),
    NNAPI("ONNX Runtime with NNAPI"),
    ;

    companion object {
        /** What artifacts of [target] can be run with. */
        fun of(target: String): List<Provider> = if (target == "onnx") values().toList() else listOf(DEFAULT)
    }
}

/** What is to be run: the bundled [artifact] of that name, how, and with how many CPU threads. */
data class RunOptions(val artifact: String, val provider: Provider = Provider.DEFAULT, val threads: Int = 1) {
    /** What the screen says the model runs on. */
    fun describe(info: ArtifactInfo): String {
        val on = if (provider == Provider.DEFAULT) info.runtime else provider.label
        return "$on, $threads ${if (threads == 1) "thread" else "threads"}"
    }

    fun encode(): String = "$threads $provider $artifact"

    companion object {
        val THREADS = listOf(1, 2, 4)

        /**
         * Returns the options in [text], which an earlier run of the app may have stored, as far as they are possible
         * with the bundled [targets] by name, which are not empty; else those for the first.
         */
        fun decode(text: String?, targets: Map<String, String>): RunOptions {
            val (threads, provider, artifact) = text.orEmpty().split(" ", limit = 3).let { if (it.size == 3) it else List(3) { "" } }
            val known = artifact.takeIf { it in targets } ?: targets.keys.first()
            return RunOptions(
                known,
                Provider.of(targets.getValue(known)).find { it.name == provider } ?: Provider.DEFAULT,
                THREADS.find { it.toString() == threads } ?: 1,
            )
        }
    }
}
