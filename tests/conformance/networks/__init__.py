"""Importing this package fills :data:`conformance.registry.NETWORKS`."""

from conformance.networks import (
    activations,
    attention,
    convolutions,
    dtypes,
    families,
    heads,
    normalisation,
    pooling,
    ranges,
    recurrent,
    refused,
    scalars,
    views,
)

__all__ = [
    "activations",
    "attention",
    "convolutions",
    "dtypes",
    "families",
    "heads",
    "normalisation",
    "pooling",
    "ranges",
    "recurrent",
    "refused",
    "scalars",
    "views",
]
