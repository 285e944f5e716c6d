"""Operations by family; importing this package fills the table."""

from fer_deploy.targets.coreml.interpreter.operations import (
    activation,
    comparison,
    constexpr,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    padding,
    pooling,
    quantization,
    reduction,
    resize,
    shape,
)

__all__ = [
    "activation",
    "comparison",
    "constexpr",
    "convolution",
    "elementwise",
    "indexing",
    "linear",
    "normalization",
    "padding",
    "pooling",
    "quantization",
    "reduction",
    "resize",
    "shape",
]
