package org.tensorflow.lite;

/** Stands in for LiteRT's: what the app asks a tensor. */
public interface Tensor {
    DataType dataType();

    int[] shape();
}
