package org.tensorflow.lite;

/** Stands in for LiteRT's: what an artifact's border may wrongly be made of. */
public enum DataType { FLOAT32, INT32, UINT8, INT8, OTHER }
