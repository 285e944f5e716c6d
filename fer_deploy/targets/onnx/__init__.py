"""ONNX with QuantizeLinear/DequantizeLinear, for ONNX Runtime: one ``model.onnx``."""

import os

from fer_deploy.targets.onnx.target import OnnxTarget

__all__ = ["OnnxTarget"]

# ONNX Runtime from 1.29 on sends the model's name and hash to its maker, and writes to ~/.cache
# (microsoft/onnxruntime#27379). It reads this when it is imported, which happens only inside functions.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
