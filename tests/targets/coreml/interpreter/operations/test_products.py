"""Convolutions, matrix products, pooling and normalization against plain loops and double precision."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.sums import SUMS
from fixtures.mil_programs import built, check, draw, few, mb, outputs_of

Array = NDArray[Any]
TESTED = {
    *("conv", "conv_transpose", "linear", "matmul", "einsum"),
    *("max_pool", "avg_pool", "l2_pool"),
    *("batch_norm", "instance_norm", "layer_norm", "l2_norm", "local_response_norm"),
}


def naive_convolution(
    x: Array, w: Array, b: Array, strides: list[int], pads: list[int], dilations: list[int], groups: int
) -> Array:
    """Cross-correlation of (1, C, ...) by its definition: one window at a time, in double precision."""
    rank = x.ndim - 2
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *zip(pads[::2], pads[1::2], strict=True)])
    spread = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    size = [(x.shape[2 + i] - spread[i]) // strides[i] + 1 for i in range(rank)]
    y = np.zeros((1, len(w), *size))
    per_group, outputs = x.shape[1] // groups, len(w) // groups
    for out in range(len(w)):
        channels = slice(out // outputs * per_group, (out // outputs + 1) * per_group)
        for position in itertools.product(*map(range, size)):
            window = tuple(
                slice(p * s, p * s + length, d)
                for p, s, length, d in zip(position, strides, spread, dilations, strict=True)
            )
            y[0, out][position] = (x[0, channels][(slice(None), *window)] * w[out]).sum() + b[out]
    return y


@st.composite
def convolutions(draw_from: st.DrawFn) -> dict[str, Any]:
    rank = draw_from(st.integers(1, 2))
    groups = draw_from(st.sampled_from([1, 2, 4]))

    def per_axis(low: int, high: int) -> list[int]:
        return [draw_from(st.integers(low, high)) for _ in range(rank)]

    return {
        "shape": (1, 4, *per_axis(7, 9)),
        "weight": (4 * draw_from(st.integers(1, 2)), 4 // groups, *per_axis(1, 3)),
        "strides": per_axis(1, 2),
        "dilations": per_axis(1, 2),
        "groups": groups,
        "pads": [draw_from(st.integers(0, 2)) for _ in range(2 * rank)],
    }


@few
@given(case=convolutions(), seed=st.integers(0, 99))
def test_conv_pads_strides_dilations_and_groups(case: dict[str, Any], seed: int) -> None:
    """With each padding type: custom and asymmetric, none, and the two that keep the size."""
    w, b = draw(case["weight"], seed), draw((case["weight"][0],), seed + 1)
    strides, dilations, extents = case["strides"], case["dilations"], case["shape"][2:]
    common = {"weight": w, "bias": b, "strides": strides, "dilations": dilations, "groups": case["groups"]}

    def build(x: Any) -> list[Any]:
        return [
            mb.conv(x=x, pad_type="custom", pad=case["pads"], **common),
            mb.conv(x=x, pad_type="valid", **common),
            mb.conv(x=x, pad_type="same", **common),
            mb.conv(x=x, pad_type="same_lower", **common),
        ]

    def reference(x: Array) -> list[Array]:
        upper, lower = [], []
        for n, k, s, d in zip(extents, w.shape[2:], strides, dilations, strict=True):
            total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)  # outputs: ceil(n / s)
            upper += [total // 2, total - total // 2]
            lower += [total - total // 2, total // 2]
        pads = [case["pads"], [0] * len(upper), upper, lower]
        return [naive_convolution(x, w, b, strides, pad, dilations, case["groups"]) for pad in pads]

    check(build, reference, case["shape"], seed=seed)


def test_conv_in_three_dimensions() -> None:
    w, b = draw((4, 2, 2, 3, 2), 0), draw((4,), 1)
    check(
        lambda x: mb.conv(x=x, weight=w, bias=b, pad_type="custom", pad=[1, 0, 1, 1, 0, 0], groups=2),
        lambda x: naive_convolution(x, w, b, [1] * 3, [1, 0, 1, 1, 0, 0], [1] * 3, 2),
        (1, 4, 4, 5, 4),
    )


@few
@given(
    stride=st.integers(1, 3),
    kernel=st.integers(1, 4),
    groups=st.sampled_from([1, 2]),
    pads=st.lists(st.integers(0, 1), min_size=4, max_size=4),
)
def test_conv_transpose_scatters(stride: int, kernel: int, groups: int, pads: list[int]) -> None:
    w, b = draw((4, 6 // groups, kernel, kernel), 0), draw((6,), 1)
    full = (5 - 1) * stride + kernel
    pads = [min(pad, (full - 1) // 2) for pad in pads]

    def scattered(x: Array) -> Array:
        y = np.zeros((1, 6, full, full))
        for c, o, i, j in itertools.product(range(4), range(6 // groups), range(5), range(5)):
            channel = c // (4 // groups) * (6 // groups) + o
            y[0, channel, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += (
                x[0, c, i, j] * w[c, o]
            )
        y = y[:, :, pads[0] : full - pads[1], pads[2] : full - pads[3]]
        return y + b.reshape(1, -1, 1, 1)

    check(
        lambda x: mb.conv_transpose(
            x=x, weight=w, bias=b, strides=[stride] * 2, pad_type="custom", pad=pads, groups=groups
        ),
        scattered,
        (1, 4, 5, 5),
    )


def test_conv_transpose_with_an_output_shape_as_torch_output_padding() -> None:
    w = draw((2, 3, 3, 3), 0)
    check(
        lambda x: mb.conv_transpose(
            x=x, weight=w, strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1], output_shape=[1, 3, 8, 8]
        ),
        lambda x: functional.conv_transpose2d(
            torch.from_numpy(x), torch.from_numpy(w), stride=2, padding=1, output_padding=1
        ).numpy(),
        (1, 2, 4, 4),
    )


@few
@given(rows=st.integers(1, 4), inner=st.integers(1, 6), columns=st.integers(1, 4))
def test_matrix_products(rows: int, inner: int, columns: int) -> None:
    w, b = draw((columns, inner), 0), draw((columns,), 1)
    turned_stack = draw((1, inner, rows, columns), 2)

    def build(x: Any, y: Any) -> list[Any]:
        turned = mb.transpose(x=x, perm=[0, 2, 1])
        return [
            mb.linear(x=x, weight=w, bias=b),
            mb.matmul(x=x, y=w, transpose_y=True),
            mb.matmul(x=turned, y=w, transpose_x=True, transpose_y=True),
            mb.matmul(x=x, y=y),
        ]

    def reference(x: Array, y: Array) -> list[Array]:
        x, y = x.astype(np.float64), y.astype(np.float64)
        return [x @ w.T + b, x @ w.T, x @ w.T, x @ y]

    check(build, reference, (1, rows, inner), (1, inner, columns))
    check(
        lambda x: mb.einsum(values=(x, turned_stack), equation="nchw,nwhu->nchu"),
        lambda x: np.einsum("nchw,nwhu->nchu", x.astype(np.float64), turned_stack),
        (1, 3, rows, inner),
    )


def naive_pool(x: Array, kernel: int, stride: int, pads: list[int], kind: str) -> Array:
    fill = -np.inf if kind == "max" else 0.0
    widths = [(0, 0), (0, 0), (pads[0], pads[1]), (pads[2], pads[3])]
    inside = np.pad(np.ones_like(x), widths)
    x = np.pad(x.astype(np.float64), widths, constant_values=fill)
    size = [(n - kernel) // stride + 1 for n in x.shape[2:]]
    y = np.zeros((*x.shape[:2], *size))
    for i, j in itertools.product(*map(range, size)):
        window = np.s_[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        values, count = x[window], inside[window].sum((2, 3))
        y[:, :, i, j] = {
            "max": values.max((2, 3)),
            "mean": values.mean((2, 3)),
            "mean inside": values.sum((2, 3)) / np.maximum(count, 1),
            "l2": np.sqrt((values**2).sum((2, 3))),
        }[kind]
    return y


@few
@given(
    kernel=st.integers(2, 3),
    stride=st.integers(1, 2),
    pads=st.lists(st.integers(0, 1), min_size=4, max_size=4),
)
def test_pooling(kernel: int, stride: int, pads: list[int]) -> None:
    common = {"kernel_sizes": [kernel] * 2, "strides": [stride] * 2, "pad_type": "custom", "pad": pads}
    check(
        lambda x: [
            mb.max_pool(x=x, **common),
            mb.avg_pool(x=x, **common),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **common),
            mb.l2_pool(x=x, **common),
        ],
        lambda x: [
            naive_pool(x, kernel, stride, pads, kind) for kind in ("max", "mean", "mean inside", "l2")
        ],
        (1, 2, 7, 6),
    )


def test_pooling_in_one_and_three_dimensions_and_with_ceil_mode() -> None:
    tensor = torch.from_numpy
    check(
        lambda x: mb.max_pool(x=x, kernel_sizes=[3], strides=[2], pad_type="valid"),
        lambda x: functional.max_pool1d(tensor(x), 3, 2).numpy(),
        (1, 2, 9),
    )
    check(
        lambda x: mb.avg_pool(x=x, kernel_sizes=[2, 2, 3], strides=[2, 1, 1], pad_type="valid"),
        lambda x: functional.avg_pool3d(tensor(x), (2, 2, 3), (2, 1, 1)).numpy(),
        (1, 2, 4, 4, 5),
    )
    check(
        lambda x: [
            mb.max_pool(x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="valid", ceil_mode=True),
            mb.avg_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="same"),
        ],
        lambda x: [
            functional.max_pool2d(tensor(x), 3, 2, ceil_mode=True).numpy(),
            functional.avg_pool2d(functional.pad(tensor(x), (0, 0, 0, 0)), 2, 2).numpy(),
        ],
        (1, 2, 8, 8),
    )


@few
@given(channels=st.integers(1, 6), epsilon=st.sampled_from([1e-5, 1e-2]), seed=st.integers(0, 99))
def test_normalization(channels: int, epsilon: float, seed: int) -> None:
    mean, gamma, beta = draw((3, channels), seed)
    variance = draw((channels,), seed + 1, 0.2, 3)
    eps = np.float32(epsilon)
    weights = {"gamma": gamma, "beta": beta, "epsilon": eps}
    over_width = draw((2, 4), seed + 2)

    def c(v: Array) -> Array:
        return v.reshape(1, -1, 1, 1)

    def build(x: Any) -> list[Any]:
        return [
            mb.batch_norm(x=x, mean=mean, variance=variance, **weights),
            mb.batch_norm(x=x, mean=mean, variance=variance),
            mb.instance_norm(x=x, **weights),
            mb.layer_norm(x=x, axes=[-1], gamma=over_width[0], beta=over_width[1], epsilon=eps),
            mb.layer_norm(x=x, axes=[1, 2, 3], epsilon=eps),
            mb.l2_norm(x=x, epsilon=eps),
            mb.local_response_norm(
                x=x, size=3, alpha=np.float32(0.1), beta=np.float32(0.75), k=np.float32(2)
            ),
        ]

    def standardised(x: Array, axes: tuple[int, ...]) -> Array:
        centred: Array = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
        return centred

    def reference(x: Array) -> list[Array]:
        x = x.astype(np.float64)
        return [
            c(gamma) * (x - c(mean)) / np.sqrt(c(variance) + epsilon) + c(beta),
            (x - c(mean)) / np.sqrt(c(variance) + 1e-5),
            c(gamma) * standardised(x, (2, 3)) + c(beta),
            over_width[0] * standardised(x, (3,)) + over_width[1],
            standardised(x, (1, 2, 3)),
            x / np.sqrt((x**2).sum() + epsilon),
            functional.local_response_norm(torch.from_numpy(x), 3, 0.1, 0.75, 2.0).numpy(),
        ]

    check(build, reference, (1, channels, 3, 4), seed=seed, tolerance=1e-3)


def test_fp16_accumulation_rounds_every_partial_sum() -> None:
    """2048 + 1 is no fp16 value: adding ones one at a time stops at 2048, where fp32 sums go on."""
    ones = torch.ones((1, 3000))
    assert SUMS["fp32"].product(ones, ones.T).item() == 3000
    assert SUMS["fp16"].product(ones, ones.T).item() == 2048
    x, weight = torch.ones((1, 3000, 2, 2)), torch.ones((1, 3000, 1, 1))
    summed = SUMS["fp16"].convolution(x, weight, torch.ones(1), (1, 1), (0, 0), (1, 1), 1)
    assert summed.flatten().tolist() == [2048.0] * 4


@few
@given(case=convolutions(), seed=st.integers(0, 99))
def test_fp16_accumulation_of_exact_sums_is_exact(case: dict[str, Any], seed: int) -> None:
    """Small whole numbers lose nothing in fp16: both ways of summing must agree to the bit, at any geometry."""
    generator = np.random.default_rng(seed)
    x = torch.from_numpy(generator.integers(-3, 4, (2, *case["shape"][1:])).astype(np.float32))
    w = torch.from_numpy(generator.integers(-3, 4, case["weight"]).astype(np.float32))
    b = torch.from_numpy(generator.integers(-3, 4, case["weight"][:1]).astype(np.float32))
    pads = case["pads"][: x.ndim - 2]
    arguments = (x, w, b, case["strides"], pads, case["dilations"], case["groups"])
    assert torch.equal(SUMS["fp32"].convolution(*arguments), SUMS["fp16"].convolution(*arguments))


def test_fp16_accumulation_is_for_fp16_programs_only_and_refuses_what_it_cannot_do() -> None:
    program = built(lambda x: mb.conv_transpose(x=x, weight=draw((2, 3, 3, 3), 0)), {"x": (1, 2, 4, 4)})
    x = draw((1, 2, 4, 4), 1)
    fp32 = outputs_of(program, {"x": x})[0]
    assert np.array_equal(fp32, outputs_of(program, {"x": x}, "fp16")[0]), "this program is fp32 throughout"

    def in_fp16(x: Any) -> Any:
        half = mb.cast(x=x, dtype="fp16")
        y = mb.conv_transpose(x=half, weight=draw((2, 3, 3, 3), 0).astype(np.float16))
        return mb.cast(x=y, dtype="fp32")

    with pytest.raises(TargetError, match=r"conv_transpose with fp16 accumulation.*at"):
        outputs_of(built(in_fp16, {"x": (1, 2, 4, 4)}), {"x": x}, "fp16")
