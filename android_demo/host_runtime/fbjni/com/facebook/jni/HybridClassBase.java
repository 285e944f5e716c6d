package com.facebook.jni;

/** Stand-in for fbjni's. */
public abstract class HybridClassBase extends HybridData {}
