package org.ferdeploy.demo

import org.ferdeploy.core.Artifact
import org.ferdeploy.core.Engine
import org.ferdeploy.core.LiveClassifier
import org.ferdeploy.core.ScreenState
import org.ferdeploy.core.Seen

/** A checked model; it is run on the camera's thread and closed on another, so a closed one answers nothing. */
class LoadedModel(val artifact: Artifact, private val engine: Engine, private val runsOn: String) : AutoCloseable {
    private val classifier = LiveClassifier(artifact, engine, runsOn)
    private var closed = false

    val agrees: Boolean get() = classifier.verdict.agrees

    /** What the screen shows before the camera's first picture. */
    val blank: ScreenState get() = LiveClassifier.blank(artifact, runsOn).copy(verdict = classifier.verdict)

    /** Returns what the screen shows of [seen] at [time] (seconds); null once it is closed. */
    @Synchronized
    fun state(seen: Seen, time: Double): ScreenState? = if (closed) null else classifier.state(seen, time)

    @Synchronized
    override fun close() {
        if (!closed) engine.close()
        closed = true
    }
}
