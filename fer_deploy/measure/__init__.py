"""Measuring: the Measurement itself, parity, statistics, latency and memory."""
