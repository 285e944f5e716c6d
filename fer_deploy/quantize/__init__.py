"""Quantization: recipe, calibration set, post-training quantization of one shared graph."""
