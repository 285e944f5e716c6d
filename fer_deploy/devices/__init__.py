"""Devices: profiles, what is attached, the timing protocol and the latency estimator."""
