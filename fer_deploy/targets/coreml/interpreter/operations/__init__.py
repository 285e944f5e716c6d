"""Operations by family; importing this package fills the table."""

from fer_deploy.targets.coreml.interpreter.operations import (
    activation,
    elementwise,
    indexing,
    pooling,
    products,
    quantization,
    reduction,
    resize,
    shape,
)

__all__ = [
    "activation",
    "elementwise",
    "indexing",
    "pooling",
    "products",
    "quantization",
    "reduction",
    "resize",
    "shape",
]
