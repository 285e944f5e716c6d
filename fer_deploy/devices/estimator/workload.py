"""The per-op roofline: what a network asks of a device, in units that a device's terms turn into milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.costs import GraphCosts, Op

#: One term per kind of kernel that runtimes implement apart; ``winograd``: dense 3x3 at stride 1.
TERMS = ("pointwise", "winograd", "conv", "depthwise", "grouped", "linear", "elementwise", "dispatch")

#: Ridge of the roofline, multiply-accumulates per element moved: an operator below it is bound by memory and
#: costs as much as if it computed that many per element. From leave-one-model-out over powers of two: flat
#: between 4 and 16 (``benchmarks/estimator_validation.py --ridge``).
RIDGE = 8.0

#: The threads term: what an amount is multiplied by is the number of threads to this power, beside what threads divide
#: alike. An operator's fixed cost is not divided at all; elementwise work, which waits for memory, is in float divided
#: by the root, and in int8 not, where libraries do it on one thread or in float. From leaving out networks, conditions
#: and devices of the calibration rows; the errors with and without it are a table of docs/estimator.md.
SERIAL: Mapping[Literal["float", "int8"], Mapping[str, float]] = MappingProxyType(
    {
        "float": MappingProxyType({"dispatch": 1.0, "elementwise": 0.5}),
        "int8": MappingProxyType({"dispatch": 1.0, "elementwise": 1.0}),
    }
)

#: Where fits start from and are drawn to where rows say little: relative cost of a term's million
#: multiply-accumulates (of its thousand operators for ``dispatch``). Only ratios matter. Depthwise and
#: grouped kernels reuse less, Winograd saves multiplications (arXiv:1509.09308), large dense kernels pack.
PRIOR: NDArray[np.float64] = np.array([1.0, 0.6, 1.5, 2.0, 2.0, 1.0, 1.0, 50.0])


def _term(op: Op) -> str:
    if op.kind == "conv":
        return "winograd" if op.kernel == 3 and op.stride == 1 else "conv"
    if op.kind == "grouped" and op.kernel == 1:
        return "pointwise"  # a few matrix products instead of one
    return "elementwise" if op.kind == "pool" else op.kind


def workload(
    costs: GraphCosts,
    ridge: float = RIDGE,
    threads: int = 1,
    precision: Literal["float", "int8"] = "float",
) -> NDArray[np.float64]:
    """Return the amounts of :data:`TERMS`, float64 (8,): millions of roofline multiply-accumulates per kernel
    kind, and thousands of operators; what threads do not divide counts :data:`SERIAL` times more.

    Every entry grows with an operator's multiplications and data, and none shrinks.
    """
    amounts = dict.fromkeys(TERMS, 0.0)
    for op in costs.ops:
        amounts[_term(op)] += max(op.macs, ridge * (op.inputs + op.outputs + op.weights)) / 1e6
    amounts["dispatch"] = len(costs.ops) / 1e3
    for term, power in SERIAL[precision].items():
        amounts[term] *= threads**power
    return np.array([amounts[term] for term in TERMS])


def shares(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how a workload is divided among the kinds of kernel, float64 (7,) that adds up to 1."""
    kernels = amounts[: TERMS.index("dispatch")]
    divided: NDArray[np.float64] = kernels / max(float(kernels.sum()), 1e-12)
    return divided
