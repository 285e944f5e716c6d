package com.facebook.jni;

/** Stand-in for fbjni's. */
public class UnknownCppException extends CppException {
    public UnknownCppException(String message) {
        super(message);
    }
}
