package com.facebook.jni;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;

/** Stand-in for fbjni's: no thread, since a process here runs one model and ends. */
public class DestructorThread {
    public abstract static class Destructor extends PhantomReference<Object> {
        private static final ReferenceQueue<Object> QUEUE = new ReferenceQueue<>();

        protected Destructor(Object referent) {
            super(referent, QUEUE);
        }

        protected abstract void destruct();
    }
}
