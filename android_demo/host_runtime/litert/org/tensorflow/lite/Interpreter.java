package org.tensorflow.lite;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * Stands in for the class of LiteRT's AAR, which is on Google's Maven alone: the signatures that the app calls, and
 * behind them LiteRT's own interpreter for Linux, in a process of its own (interpreter.py). Buffers are held to what
 * the AAR's documentation asks: as large as the tensor, and at the position where they are read or written.
 */
public final class Interpreter implements AutoCloseable {
    /** How the interpreter runs. */
    public static class Options {
        private int threads = -1;
        private boolean xnnpack = true;

        public Options setNumThreads(int numThreads) {
            threads = numThreads;
            return this;
        }

        public Options setUseXNNPACK(boolean useXNNPACK) {
            xnnpack = useXNNPACK;
            return this;
        }
    }

    private final Process process;
    private final DataOutputStream to;
    private final DataInputStream from;
    private final Tensor input;
    private final Tensor output;

    public Interpreter(File modelFile, Options options) {
        try {
            process = new ProcessBuilder(
                System.getProperty("litert.python"), System.getProperty("litert.interpreter"),
                modelFile.getAbsolutePath(), Integer.toString(options.threads), Boolean.toString(options.xnnpack)
            ).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            to = new DataOutputStream(process.getOutputStream());
            from = new DataInputStream(process.getInputStream());
            String refusal = from.readUTF();
            if (!refusal.isEmpty()) throw new IllegalArgumentException(refusal);
            input = tensor();
            output = tensor();
        } catch (IOException error) {
            throw new IllegalStateException("the interpreter's process cannot be talked to: " + error, error);
        }
    }

    public Tensor getInputTensor(int index) {
        if (index != 0) throw new IllegalArgumentException("Invalid input Tensor index: " + index);
        return input;
    }

    public Tensor getOutputTensor(int index) {
        if (index != 0) throw new IllegalArgumentException("Invalid output Tensor index: " + index);
        return output;
    }

    public void run(Object source, Object goal) {
        FloatBuffer pixels = held((FloatBuffer) source, input);
        FloatBuffer logits = held((FloatBuffer) goal, output);
        try {
            ByteBuffer bytes = ByteBuffer.allocate(4 * pixels.remaining()).order(ByteOrder.nativeOrder());
            bytes.asFloatBuffer().put(pixels.duplicate());
            to.write(bytes.array());
            to.flush();
            byte[] answer = new byte[4 * logits.remaining()];
            from.readFully(answer);
            logits.put(ByteBuffer.wrap(answer).order(ByteOrder.nativeOrder()).asFloatBuffer());
        } catch (EOFException error) {
            throw new IllegalStateException("the interpreter's process ended", error);
        } catch (IOException error) {
            throw new IllegalStateException("the interpreter's process cannot be talked to: " + error, error);
        }
    }

    @Override
    public void close() {
        process.destroy();
    }

    private static FloatBuffer held(FloatBuffer buffer, Tensor tensor) {
        int elements = Arrays.stream(tensor.shape()).reduce(1, (a, b) -> a * b);
        if (!buffer.isDirect() || buffer.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("not a direct buffer in the native order");
        }
        if (buffer.capacity() != elements || buffer.remaining() != elements) {
            throw new IllegalArgumentException("a buffer of " + buffer + " for a tensor of " + elements);
        }
        return buffer;
    }

    private Tensor tensor() throws IOException {
        DataType type = DataType.valueOf(from.readUTF());
        int[] shape = new int[from.readInt()];
        for (int i = 0; i < shape.length; i++) shape[i] = from.readInt();
        return new Tensor() {
            @Override
            public DataType dataType() {
                return type;
            }

            @Override
            public int[] shape() {
                return shape.clone();
            }
        };
    }
}
