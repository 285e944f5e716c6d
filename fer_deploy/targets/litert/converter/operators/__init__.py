"""Writers of operators, by what they do; importing this fills ``lowering.HANDLERS``."""

from fer_deploy.targets.litert.converter.operators import (
    arithmetic,
    conditions,
    convolution,
    convolution_other,
    indexing,
    joining,
    linear,
    normalisation,
    pooling,
    quantization,
    reduction,
    resizing,
    special,
    views,
)

__all__ = [
    "arithmetic",
    "conditions",
    "convolution",
    "convolution_other",
    "indexing",
    "joining",
    "linear",
    "normalisation",
    "pooling",
    "quantization",
    "reduction",
    "resizing",
    "special",
    "views",
]
