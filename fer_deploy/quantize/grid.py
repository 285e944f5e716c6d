"""The integer grids that every quantized graph uses."""

from __future__ import annotations

#: Activations: int8, affine.
QMIN, QMAX = -128, 127
#: Weights: int8 without -128, symmetric, so that negating a weight is exact.
WEIGHT_MAX = 127
#: Far below any scale that a float32 weight of use gives; only keeps all-zero channels from scale 0.
WEIGHT_EPS = 2.0**-24
#: The same for activations. XNNPACK's own quantizer has 2**-12: a layer whose values are that small loses its bits.
ACTIVATION_EPS = 2.0**-24
