package com.facebook.jni;

/** Stand-in for fbjni's. */
public class CppSystemErrorException extends CppException {
    public final int errorCode;

    public CppSystemErrorException(String message, int errorCode) {
        super(message);
        this.errorCode = errorCode;
    }
}
