"""LiteRT (TensorFlow Lite): one ``model.tflite``, written from the shared graph."""

from fer_deploy.targets.litert.target import LiteRTTarget

__all__ = ["LiteRTTarget"]
