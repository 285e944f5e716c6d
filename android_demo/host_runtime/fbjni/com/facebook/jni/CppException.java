package com.facebook.jni;

/** Stand-in for fbjni's. */
public class CppException extends RuntimeException {
    public CppException(String message) {
        super(message);
    }
}
