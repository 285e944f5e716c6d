package com.facebook.soloader.nativeloader;

/** Stand-in for SoLoader's: the system's loader does not load what a library needs by itself, so it is loaded first. */
public class NativeLoader {
    public static boolean isInitialized() {
        return true;
    }

    public static void init(NativeLoaderDelegate delegate) {}

    public static boolean loadLibrary(String name) {
        System.loadLibrary("fbjni");
        System.loadLibrary(name);
        return true;
    }
}
