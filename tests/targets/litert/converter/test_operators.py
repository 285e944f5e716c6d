"""Every writer of an operator against torch: small functions of a map, written, run by LiteRT and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.contract import Contract, InputSpec, TrainedOn
from fer_deploy.errors import TargetError
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.litert.runtime import interpreter, obstacle

if (_MISSING := obstacle()) is not None:
    pytest.skip(f"LITERT NOT TESTED: {_MISSING}", allow_module_level=True)

from pathlib import Path

from fer_deploy.targets.litert.converter.convert import convert

CONTRACT = Contract(
    labels=("a", "b"),
    input=InputSpec(height=16, width=16, color="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    trained_on=TrainedOn(dataset="none"),
)
_GENERATOR = torch.Generator().manual_seed(0)
_W = torch.randn(8, 3, 3, 3, generator=_GENERATOR) * 0.2
_D = torch.randn(6, 1, 3, 3, generator=_GENERATOR) * 0.2
_G = torch.randn(6, 1, 3, 3, generator=_GENERATOR)
_T = torch.randn(3, 4, 3, 3, generator=_GENERATOR) * 0.2
_B = torch.randn(8, generator=_GENERATOR)


class Function(nn.Module):
    """A function of a map of 12 x 10 places, its numbers around 0."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, pixels: Tensor) -> Any:
        return self.function((pixels[..., :12, :10] - 128) / 64)


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    # convolutions: paddings that are SAME and that are not, strides, dilations, groups, rows
    "conv": lambda x: F.conv2d(x, _W, _B, padding=1),
    "conv stride": lambda x: F.conv2d(x, _W, _B, stride=2, padding=1),
    "conv same stride": lambda x: F.conv2d(x[..., :9, :9], _W, stride=2, padding=1),
    "conv dilated": lambda x: F.conv2d(x, _W, None, padding=2, dilation=2),
    "conv uneven padding": lambda x: F.conv2d(x, _W, None, padding=(0, 2)),
    "depthwise, two for each": lambda x: F.conv2d(x, _D, groups=3, padding=1),
    "grouped": lambda x: F.conv2d(torch.cat([x, x], 1), torch.cat([_W[:, :2], _W[:, :1]], 1)[:6, :3], groups=2),
    "conv of rows": lambda x: F.conv1d(x.flatten(2), _W[:, :, 0], _B, padding=1, stride=2),
    "conv of volumes": lambda x: F.conv3d(x[:, None], _W[:, :1, None].expand(8, 1, 2, 3, 3), _B, padding=(1, 1, 0)),
    "transposed": lambda x: F.conv_transpose2d(x, _T, stride=2, padding=1, output_padding=1),
    "transposed dilated": lambda x: F.conv_transpose2d(x, _T, _B[:4], dilation=2),
    "transposed groups": lambda x: F.conv_transpose2d(x, _T, stride=2, groups=3),
    "clamped": lambda x: F.hardtanh(F.conv2d(x, _W), -0.5, 0.7),
    # linear layers and products
    "linear": lambda x: F.linear(x.flatten(1), torch.ones(2, 360) * 0.01),
    "linear over channels": lambda x: F.linear(x.permute(0, 2, 3, 1), _W[:, :, 0, 0], _B),
    "matmul": lambda x: x @ x.transpose(-1, -2),
    "bmm of turned maps": lambda x: torch.bmm(x.flatten(2).transpose(1, 2), x.flatten(2)),
    "constant first": lambda x: torch.ones(4, 12) @ x,
    # pools
    "max pool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max pool ceil": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "max pool dilated": lambda x: F.max_pool2d(x, 2, 2, dilation=2),
    "avg pool": lambda x: F.avg_pool2d(x, 2),
    "avg pool padded": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "avg pool uncounted": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg pool ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "avg pool divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "adaptive to 1": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive that divides": lambda x: F.adaptive_avg_pool2d(x, (4, 5)),
    "adaptive that does not": lambda x: F.adaptive_avg_pool2d(x, (5, 3)),
    # views
    "permute": lambda x: F.max_pool2d(x, 2).permute(0, 3, 1, 2) * 2,
    "flatten of a map": lambda x: F.max_pool2d(x, 2).flatten(1),
    "slices": lambda x: x[:, 1:, ::2, -3:],
    "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=1.5),
    "crop": lambda x: F.pad(x, (-1, 2, -2, 0)),
    "reflect": lambda x: F.pad(x, (1, 2, 3, 1), mode="reflect"),
    "replicate": lambda x: F.pad(x, (1, 2, 3, 1), mode="replicate"),
    "roll": lambda x: torch.roll(x, (2, -1), (2, 3)),
    "flip": lambda x: torch.flip(x, (1, 3)),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "pixel shuffle": lambda x: F.pixel_shuffle(torch.cat([x, x, x, x], 1), 2),
    "pixel unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "channel shuffle": lambda x: F.channel_shuffle(torch.cat([x, -x], 1), 3),
    "split": lambda x: torch.cat(torch.chunk(x, 2, 1)[::-1], 1),
    "stack": lambda x: torch.stack([x, x.abs()], 2),
    "unbind": lambda x: sum(x.unbind(1)),
    # arithmetic
    "broadcast": lambda x: x * x.mean(1, keepdim=True) + x.mean((2, 3), keepdim=True),
    "other ranks": lambda x: x + x[0, 0],
    "alpha": lambda x: torch.add(x, x.abs(), alpha=-0.5),
    "rsub": lambda x: 1 - x,
    "division": lambda x: 1 / (x.abs() + 1),
    "floor division": lambda x: torch.div(x, 0.7, rounding_mode="floor"),
    "remainder": lambda x: torch.remainder(x, 0.7),
    "powers": lambda x: x**2 + x**3 + x.abs() ** 1.7 + (x.abs() + 1) ** -0.5,
    "round": lambda x: torch.round(x * 2) + torch.floor(x) + torch.ceil(x) + torch.trunc(x) + torch.sign(x),
    "erf": torch.erf,
    "logarithms": lambda x: torch.log1p(x.abs()) + torch.log2(x.abs() + 1),
    "exponentials": lambda x: torch.exp(x) + torch.expm1(x) + torch.exp2(x),
    "where": lambda x: torch.where(x > 0.2, x, -x),
    "logic": lambda x: torch.where((x > 0.2) & ~(x > 1) | (x < -1), x, 0.0),
    "equal": lambda x: (x.round() == 1).float() + (x != 0).float() + (x >= 1).float() + (x <= 0).float(),
    "clamp by tensors": lambda x: torch.clamp(x, x.mean(), x.amax() * 0.5),
    "atan2": lambda x: torch.atan2(x, x.flip(2)),
    "cast": lambda x: (x * 3).to(torch.int64).to(torch.float32),
    **{
        name: getattr(F, name)
        for name in ("relu", "relu6", "hardswish", "hardsigmoid", "silu", "gelu", "elu", "selu", "celu", "mish",
                     "softplus", "leaky_relu", "tanhshrink", "softsign", "logsigmoid")
    },
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "elu alpha": lambda x: F.elu(x, 0.3),
    # reductions
    "sums": lambda x: x.sum((1, 3)) + x.mean(1).amax(-1),
    "extremes": lambda x: x.max(2)[0] + x.amin(2),
    "places": lambda x: x.argmax(1).float() + x.min(1)[1].float(),
    "variance": lambda x: x.var(1) + x.std(1, correction=0) + x.var((1, 2))[:, None],
    "softmax": lambda x: x.softmax(1) + x.log_softmax(2),
    "cumsum": lambda x: x.cumsum(2),
    "topk": lambda x: x.flatten(1).topk(4)[0],
    "sort": lambda x: x.sort(1)[0],
    "product": lambda x: x.prod(1),
    "any": lambda x: (x > 1.9).any(1).float() + (x > -1.9).all(2).sum(1, keepdim=True).float(),
    # normalisation
    "layer norm": lambda x: F.layer_norm(x, (10,), torch.arange(10.0), torch.ones(10)),
    "group norm": lambda x: F.group_norm(torch.cat([x, x * 2], 1), 2, torch.arange(6.0)),
    "one group": lambda x: F.group_norm(x, 1),
    "instance norm": lambda x: F.instance_norm(x),
    "local response": lambda x: F.local_response_norm(x, 2),
    # sizes
    "nearest": lambda x: F.interpolate(x, (24, 15)),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear aligned": lambda x: F.interpolate(x, (7, 21), mode="bilinear", align_corners=True),
    "bilinear factor": lambda x: F.interpolate(x, scale_factor=1.3, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, (20, 5), mode="bicubic"),
    # numbers of elements
    "index select": lambda x: x.index_select(1, torch.tensor([2, 0, 0])),
    "index": lambda x: x[:, [0, 2]] + x[:, :2, [1, -1]].mean(2, keepdim=True),
    "index of two axes": lambda x: x[:, :, torch.tensor([[0], [5]]), torch.tensor([1, 2, -1])],
    "index by the image": lambda x: x.flatten(1)[:, (x[0, 0, 0].abs() * 3).to(torch.int64)],
    "gather": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "grid sample": lambda x: F.grid_sample(x, torch.stack([x[:, 0], x[:, 1]], -1) / 3, align_corners=False),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "einsum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x),
    "unfold": lambda x: F.unfold(x, 3, padding=1),
    "filled like": lambda x: x + torch.full_like(x, 0.5) * torch.ones_like(x),
}  # fmt: skip


def graph_of(function: Callable[[Tensor], Any]) -> Graph:
    return Graph(Function(function).eval(), CONTRACT, parse_recipe("float"))


def answer(content: bytes, pixels: np.ndarray) -> np.ndarray:
    opened = interpreter(content, 1, Path("model.tflite"))
    opened.set_tensor(opened.get_input_details()[0]["index"], pixels)
    opened.invoke()
    return np.asarray(opened.get_tensor(opened.get_output_details()[0]["index"]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_torch_gives(name: str) -> None:
    graph = graph_of(FUNCTIONS[name])
    content = convert(graph)
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, CONTRACT.input.shape).astype(np.float32)
        with torch.no_grad():
            wanted = graph.module(torch.from_numpy(pixels)).numpy()
        got = answer(content, pixels)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=2e-5 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: torch.fft.rfft(x).abs(), "LiteRT has no operator for aten"),
        (lambda x: (x * 3).to(torch.uint8) * 2, "do not compute in uint8"),
        (lambda x: F.conv2d(x, x[:, :, :3, :3]), "take weights that are constants"),
        (
            lambda x: F.max_pool2d(x, 2, return_indices=True)[1],
            "does not say where the greatest elements stand",
        ),
        (lambda x: torch.roll(x, 3), "name its axes"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(function: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        convert(graph_of(function))
