"""Architectures: the paper's family of slimmed MobileNetV2s, for faces, and other mobile families to compare with."""

from fer_deploy.zoo.registry import ARCHITECTURES, build

__all__ = ["ARCHITECTURES", "build"]
