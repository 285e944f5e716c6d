"""Element-wise operations, activations and comparisons against numpy on random shapes and attributes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fixtures.mil_programs import check, few, mb

Array = NDArray[Any]
SHAPES = st.lists(st.integers(1, 5), min_size=0, max_size=3).map(lambda rest: (1, *rest))
_erf = np.vectorize(math.erf)

UNARY: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": _erf,
    "exp": np.exp,
    "exp2": np.exp2,
    "floor": np.floor,
    "identity": lambda x: x,
    "round": np.round,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
}
#: Defined on, or well conditioned on, the narrow input only.
NARROW = {"acos", "asin", "atanh", "sqrt", "tan"}
BINARY: dict[str, Callable[[Any, Any], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "real_div": np.true_divide,
    "floor_div": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
COMPARISON: dict[str, Callable[[Array, Array], Array]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
LOGIC: dict[str, Callable[[Array, Array], Array]] = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
#: kind: numpy function of x, alpha and beta
ALPHA_BETA: dict[str, Callable[[Array, float, float], Array]] = {
    "clip": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "clamped_relu": lambda x, a, b: np.minimum(b, np.where(x >= 0, x, a * x)),
    "linear_activation": lambda x, a, b: a * x + b,
    "scaled_tanh": lambda x, a, b: a * np.tanh(b * x),
    "sigmoid_hard": lambda x, a, b: np.minimum(np.maximum(a * x + b, 0), 1),
}
ALPHA: dict[str, Callable[[Array, float], Array]] = {
    "leaky_relu": lambda x, a: np.where(x >= 0, x, a * x),
    "elu": lambda x, a: np.where(x > 0, x, a * (np.exp(x) - 1)),
    "thresholded_relu": lambda x, a: np.where(x >= a, x, 0),
    "threshold": lambda x, a: np.maximum(x, a),
}
PER_CHANNEL = ("prelu", "softplus_parametric")
EPSILON: dict[str, Callable[[Array, float], Array]] = {
    "log": lambda x, e: np.log(x + e),
    "rsqrt": lambda x, e: 1 / np.sqrt(x + e),
    "inverse": lambda x, e: 1 / (x + e),
}
OTHERS = ("gelu", "softmax", "cast", "logical_not", "select")
TESTED = {*UNARY, *BINARY, *COMPARISON, *LOGIC, *ALPHA_BETA, *ALPHA, *PER_CHANNEL, *EPSILON, *OTHERS}


@few
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_unary(shape: tuple[int, ...], seed: int) -> None:
    """All in one program: an output each, of a wide or of a narrow input."""

    def build(wide: Any, narrow: Any) -> list[Any]:
        return [getattr(mb, kind)(x=narrow if kind in NARROW else wide) for kind in UNARY]

    def reference(wide: Array, narrow: Array) -> list[Array]:
        return [function(narrow if kind in NARROW else wide) for kind, function in UNARY.items()]

    check(build, reference, shape, shape, seed=seed, ranges=((-8, 8), (0.1, 0.9)))


@few
@given(shape=SHAPES, broadcast=st.booleans(), constant=st.floats(0.25, 3, width=16))
def test_binary(shape: tuple[int, ...], broadcast: bool, constant: float) -> None:
    """Of two tensors, a tensor and a number, and a number and a tensor."""
    number = np.float32(constant)
    other = (1, *(1 for _ in shape[1:])) if broadcast else shape

    def build(x: Any, y: Any) -> list[Any]:
        forms = ({"x": x, "y": y}, {"x": x, "y": number}, {"x": number, "y": y})
        return [getattr(mb, kind)(**form) for kind in BINARY for form in forms]

    def reference(x: Array, y: Array) -> list[Array]:
        forms = ((x, y), (x, number), (number, y))
        return [function(*form) for function in BINARY.values() for form in forms]

    check(build, reference, shape, other, ranges=((0.2, 3), (0.2, 3)))


@few
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_comparison_and_logic(shape: tuple[int, ...], seed: int) -> None:
    def build(x: Any, y: Any) -> list[Any]:
        whole = {"x": mb.round(x=x), "y": mb.round(x=y)}  # so that some are equal
        flags = {"x": mb.greater(x=x, y=0.0), "y": mb.greater(x=y, y=0.0)}
        found = [getattr(mb, kind)(**whole) for kind in COMPARISON]
        found += [getattr(mb, kind)(**flags) for kind in LOGIC]
        return [mb.cast(x=value, dtype="fp32") for value in found]

    def reference(x: Array, y: Array) -> list[Array]:
        found = [function(np.round(x), np.round(y)) for function in COMPARISON.values()]
        return found + [function(x > 0, y > 0) for function in LOGIC.values()]

    check(build, reference, shape, shape, seed=seed)


@few
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_logical_not_and_select(shape: tuple[int, ...], seed: int) -> None:
    def build(x: Any, y: Any) -> Any:
        return mb.select(cond=mb.logical_not(x=mb.greater(x=x, y=y)), a=x, b=y)

    check(build, lambda x, y: np.where(~(x > y), x, y), shape, shape, seed=seed)


@few
@given(shape=SHAPES, alpha=st.floats(0.125, 1, width=16), gap=st.floats(0.25, 2, width=16))
def test_alpha_and_beta(shape: tuple[int, ...], alpha: float, gap: float) -> None:
    a, b = np.float32(alpha), np.float32(alpha + gap)
    plain = (float(a), float(b))

    def build(x: Any) -> list[Any]:
        both = [getattr(mb, kind)(x=x, alpha=a, beta=b) for kind in ALPHA_BETA]
        return both + [getattr(mb, kind)(x=x, alpha=a) for kind in ALPHA]

    def reference(x: Array) -> list[Array]:
        both = [function(x, *plain) for function in ALPHA_BETA.values()]
        return both + [function(x, plain[0]) for function in ALPHA.values()]

    check(build, reference, shape)


@few
@given(shape=SHAPES, epsilon=st.sampled_from([1e-3, 0.5]))
def test_epsilon(shape: tuple[int, ...], epsilon: float) -> None:
    """Given, and left to MIL's defaults."""
    defaults = {"log": 1e-45, "rsqrt": 1e-12, "inverse": 1e-4}

    def build(x: Any) -> list[Any]:
        with_one = [getattr(mb, kind)(x=x, epsilon=np.float32(epsilon)) for kind in EPSILON]
        return with_one + [getattr(mb, kind)(x=x) for kind in EPSILON]

    def reference(x: Array) -> list[Array]:
        with_one = [function(x, epsilon) for function in EPSILON.values()]
        return with_one + [function(x, defaults[kind]) for kind, function in EPSILON.items()]

    check(build, reference, shape, ranges=((0.1, 3),))


@few
@given(channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_prelu_has_a_slope_per_channel(channels: int, seed: int) -> None:
    alpha = np.random.default_rng(seed).uniform(-1, 1, channels).astype(np.float32)
    shape = (1, channels, 2, 3)
    spread = alpha.reshape(-1, 1, 1)
    check(
        lambda x: mb.prelu(x=x, alpha=alpha),
        lambda x: np.where(x > 0, x, spread * x),
        shape,
        seed=seed,
    )


@few
@given(channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_softplus_parametric(channels: int, seed: int) -> None:
    alpha, beta = np.random.default_rng(seed).uniform(0.2, 1, (2, channels)).astype(np.float32)
    a, b = alpha.reshape(-1, 1, 1), beta.reshape(-1, 1, 1)
    check(
        lambda x: mb.softplus_parametric(x=x, alpha=alpha, beta=beta),
        lambda x: a * np.log1p(np.exp(b * x)),
        (1, channels, 2, 3),
    )


def test_gelu() -> None:
    check(
        lambda x: [
            mb.gelu(x=x, mode=mode) for mode in ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")
        ],
        lambda x: [
            0.5 * x * (1 + _erf(x / np.sqrt(2))),
            0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
            x / (1 + np.exp(-1.702 * x)),
        ],
        (1, 4, 5),
        tolerance=1e-5,
    )


@few
@given(shape=SHAPES.filter(lambda s: len(s) > 1), data=st.data())
def test_softmax(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(1, len(shape) - 1))
    check(
        lambda x: mb.softmax(x=x, axis=axis),
        lambda x: torch.softmax(torch.from_numpy(x).double(), axis).numpy(),
        shape,
    )


def test_cast() -> None:
    check(
        lambda x: [
            mb.cast(x=mb.cast(x=x, dtype=dtype), dtype="fp32") for dtype in ("int32", "bool", "fp16", "fp32")
        ],
        lambda x: [np.trunc(x), x != 0, x.astype(np.float16), x],
        (1, 4, 5),
        ranges=((-100, 100),),
        tolerance=0,
    )
