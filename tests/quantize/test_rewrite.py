"""Each rewrite on the operation that it is for: the same function, in the form that targets take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fer_deploy.quantize.layers import name_layers
from fer_deploy.quantize.rewrite.arithmetic import attention_in_four_axes, plain_activations
from fer_deploy.quantize.rewrite.padding import assigned_slices_as_joins, crops_as_slices, explicit_padding
from fer_deploy.quantize.rewrite.pooling import explicit_pooling, maximum_to_pool, mean_to_pool

Function = Callable[[Tensor], Tensor]
Rewrite = Callable[[torch.fx.GraphModule], int]


class _Apply(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _rewritten(function: Function, x: Tensor, rewrite: Rewrite) -> tuple[int, Counter[str], float]:
    """Return how many places a rewrite changed, the operators that are left, and the largest difference it makes."""
    graph = torch.export.export(_Apply(function).eval(), (x,)).module(check_guards=False)
    name_layers(graph)
    wanted = graph(x)
    changed = rewrite(graph)
    operators = Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
    got = graph(x)
    assert got.shape == wanted.shape
    return changed, operators, float((got - wanted).detach().abs().max())


def _map(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=8, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    sizes=st.tuples(st.integers(1, 14), st.integers(1, 14)),
)
def test_adaptive_max_pooling_to_any_size(sides: tuple[int, int], sizes: tuple[int, int]) -> None:
    x = _map(2, 3, *sides)
    changed, operators, error = _rewritten(lambda x: F.adaptive_max_pool2d(x, sizes), x, maximum_to_pool)
    assert (changed, error) == (1, 0.0)
    assert "aten.adaptive_max_pool2d.default" not in operators


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2)])
def test_the_largest_value_of_a_map_is_a_max_pool(axes: tuple[int, int], keepdim: bool) -> None:
    changed, operators, error = _rewritten(lambda x: x.amax(axes, keepdim), _map(2, 3, 5, 7), maximum_to_pool)
    assert (changed, error) == (1, 0.0)
    assert operators["aten.max_pool2d.default"] == 1


@pytest.mark.parametrize(
    "function", [lambda x: x.amax(1), lambda x: x.amax((1, 2)), lambda x: x.max(1)[1].float()]
)
def test_other_maxima_are_left(function: Function) -> None:
    assert _rewritten(function, _map(2, 3, 5, 7), maximum_to_pool)[0] == 0


def test_a_maximum_whose_place_nobody_asks_for_is_written_without_it() -> None:
    changed, operators, error = _rewritten(
        lambda x: x.max(1, keepdim=True)[0], _map(2, 3, 5, 7), maximum_to_pool
    )
    assert (changed, error, dict(operators)) == (1, 0.0, {"aten.amax.default": 1})


def test_a_mean_over_a_map_of_five_axes_is_left() -> None:
    assert _rewritten(lambda x: x.mean((2, 3)), _map(2, 3, 4, 5, 6), mean_to_pool)[0] == 0


@pytest.mark.parametrize("kernel", [2, (2, 3)])
def test_a_divisor_is_a_product_behind_the_mean(kernel: int | tuple[int, int]) -> None:
    pool = nn.AvgPool2d(kernel, padding=1, divisor_override=5)
    changed, operators, error = _rewritten(pool, _map(2, 3, 8, 9), explicit_pooling)
    assert changed >= 1
    assert error < 1e-6
    assert operators["aten.mul.Tensor"] == 1


@pytest.mark.parametrize("widths", [(-1, -2, -1, 0), (-1, 2, 3, -2), (0, 0, -3, 1)])
def test_a_crop_is_a_slice(widths: tuple[int, ...]) -> None:
    changed, operators, error = _rewritten(lambda x: F.pad(x, widths), _map(2, 3, 8, 9), crops_as_slices)
    assert (changed, error) == (1, 0.0)
    assert operators["aten.slice.Tensor"] >= 1


@settings(max_examples=20, deadline=None)
@given(axis=st.integers(-4, 3), ends=st.tuples(st.integers(-5, 5), st.integers(-5, 9)))
def test_an_assigned_slice_is_a_join(axis: int, ends: tuple[int, int]) -> None:
    x, (first, last) = _map(5, 5, 5, 5), ends
    index = [slice(None)] * 4
    index[axis] = slice(first, last)
    written = -_map(5, 5, 5, 5)[tuple(index)]
    changed, operators, error = _rewritten(
        lambda x: torch.slice_scatter(x, written, axis, first, last), x, assigned_slices_as_joins
    )
    assert (changed, error) == (1, 0.0)
    assert "aten.slice_scatter.default" not in operators


@pytest.mark.parametrize("index", [0, 3, 8, -1])
def test_an_assigned_row_is_a_join(index: int) -> None:
    row = _map(2, 3, 8)
    changed, operators, error = _rewritten(
        lambda x: torch.select_scatter(x, row, 3, index), _map(2, 3, 8, 9), assigned_slices_as_joins
    )
    assert (changed, error) == (1, 0.0)
    assert operators["aten.cat.default"] == 1


def test_every_other_row_stays_assigned() -> None:
    rows = _map(2, 3, 4, 9)
    changed, _, _ = _rewritten(
        lambda x: torch.slice_scatter(x, rows, 2, 0, 8, 2), _map(2, 3, 8, 9), assigned_slices_as_joins
    )
    assert changed == 0


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("kernel", [2, 3, (4, 1)])
def test_padding_same_is_a_number(kernel: int | tuple[int, int]) -> None:
    convolution = nn.Conv2d(3, 4, kernel, padding="same")
    changed, operators, error = _rewritten(convolution, _map(2, 3, 8, 9), explicit_padding)
    assert (changed, operators["aten.conv2d.default"]) == (1, 1)
    assert error < 1e-6


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (nn.RReLU(0.1, 0.3).eval(), "aten.leaky_relu.default"),
        (F.logsigmoid, "aten.sigmoid.default"),
        (F.softplus, "aten.sigmoid.default"),
        (nn.Softplus(0.5, 10), "aten.sigmoid.default"),
        (nn.Softplus(-1.0, 100), "aten.sigmoid.default"),
        (F.mish, "aten.tanh.default"),
        (lambda x: x.clamp(min=-0.5), "aten.hardtanh.default"),
        (lambda x: x.clamp(max=0.5), "aten.hardtanh.default"),
        (lambda x: torch.clamp_min(x, 0.1), "aten.hardtanh.default"),
        (lambda x: x.clamp(-0.5, 0.5), "aten.hardtanh.default"),
        (lambda x: x.clamp(0, 6), "aten.hardtanh.default"),
        (nn.Hardtanh(-1, 2), "aten.hardtanh.default"),
        (torch.ops.aten.elu.default, "aten.elu.default"),
        (nn.CELU(), "aten.elu.default"),
        (nn.CELU(0.7), "aten.elu.default"),
    ],
)
def test_activations_that_a_target_lacks(function: Function, operator: str) -> None:
    changed, operators, error = _rewritten(function, 10 * _map(2, 3, 8, 9), plain_activations)
    assert changed == 1
    assert error < 1e-4 if isinstance(function, nn.Softplus) else error < 1e-5  # e^-10 beyond its threshold
    assert operators[operator] == 1


@pytest.mark.parametrize("causal", [False, True])
def test_attention_gets_an_axis_of_heads(causal: bool) -> None:
    def attend(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, 2 * x, x + 1, is_causal=causal)

    changed, operators, error = _rewritten(attend, _map(2, 6, 8), attention_in_four_axes)
    assert changed == 1
    assert error < 1e-6
    assert operators["aten.squeeze.dim"] == 1
    assert _rewritten(attend, _map(2, 3, 6, 8), attention_in_four_axes)[0] == 0


def test_a_hardtanh_with_both_ends_is_left() -> None:
    assert _rewritten(F.relu6, _map(2, 3, 8, 9), plain_activations)[0] == 0
    assert _rewritten(nn.Hardtanh(-2.0, 1.5), _map(2, 3, 8, 9), plain_activations)[0] == 0
