package org.ferdeploy.core

/**
 * Finds the face in an upright picture. Put a detector of your own here (README, "Another face detector"); it is called
 * on the camera's thread, one picture at a time.
 */
interface FaceFinder : AutoCloseable {
    /** Whether it is asked only where the camera finds no faces itself; its own are free and come with each frame. */
    val onlyWithoutTheCameras: Boolean

    /** Returns the box around the largest face, or null. The next frame overwrites [picture]. */
    fun find(picture: Picture): Box?
}
