package com.facebook.jni;

/** Stand-in for fbjni's. */
public class NativeRunnable implements Runnable {
    private final HybridData mHybridData;

    private NativeRunnable(HybridData data) {
        mHybridData = data;
    }

    @Override
    public native void run();
}
