package com.facebook.jni;

/** Stand-in for fbjni's. */
public class ThreadScopeSupport {
    private static void runStdFunction(long pointer) {
        runStdFunctionImpl(pointer);
    }

    private static native void runStdFunctionImpl(long pointer);
}
