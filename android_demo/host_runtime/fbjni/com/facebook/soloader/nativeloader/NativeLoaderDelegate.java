package com.facebook.soloader.nativeloader;

/** Stand-in for SoLoader's. */
public interface NativeLoaderDelegate {}
