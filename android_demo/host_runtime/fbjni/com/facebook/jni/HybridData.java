package com.facebook.jni;

/** Stand-in, for programs on a computer, for fbjni's class of that name: its native half asks for these members. */
public class HybridData {
    private Destructor mDestructor = new Destructor(this);

    public synchronized void resetNative() {
        mDestructor.destruct();
    }

    public boolean isValid() {
        return mDestructor.mNativePointer != 0;
    }

    public static class Destructor extends DestructorThread.Destructor {
        volatile long mNativePointer;

        Destructor(Object referent) {
            super(referent);
        }

        @Override
        protected final void destruct() {
            deleteNative(mNativePointer);
            mNativePointer = 0;
        }

        static native void deleteNative(long pointer);
    }
}
