package com.facebook.soloader.nativeloader;

/** Stand-in for SoLoader's. */
public class SystemDelegate implements NativeLoaderDelegate {}
