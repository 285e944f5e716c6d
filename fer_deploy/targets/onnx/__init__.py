"""ONNX with QuantizeLinear/DequantizeLinear, for ONNX Runtime: one ``model.onnx``."""

from fer_deploy.targets.onnx.target import OnnxTarget

__all__ = ["OnnxTarget"]
