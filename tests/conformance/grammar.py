"""Small networks drawn at random, as Python code: what failed can be read, kept and run again.

A network is a stem, two to four parts and a head. Every part takes the map ``x`` of ``width`` channels on
``size`` x ``size`` places and leaves another; earlier maps may come back as residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from torch import nn

from conformance.registry import Make

_ACTIVATIONS = (
    "torch.relu({0})", "F.relu6({0})", "F.hardswish({0})", "F.silu({0})", "F.gelu({0})", "F.leaky_relu({0}, 0.1)",
    "torch.tanh({0})", "F.elu({0})", "F.hardsigmoid({0})", "{0} * torch.sigmoid({0})", "{0} * F.relu6({0} + 3) / 6",
    "torch.clamp({0}, -1, 2)", "F.gelu({0}, approximate='tanh')", "F.softplus({0})",
)  # fmt: skip
_SCALARS = (
    "{0} * 0.5", "1 - {0}", "{0} / 6", "{0} + 0.25", "-{0}", "2 * {0} - 1", "{0}.mul(0.7).add(-0.3)",
    "{0} - {0}.mean((2, 3), keepdim=True)", "torch.sqrt({0} * {0} + 0.01)", "{0} ** 2 / 4", "{0}.abs()",
)  # fmt: skip
_POOLS = (
    "F.max_pool2d({0}, 2)", "F.max_pool2d({0}, 3, 2, 1)", "F.avg_pool2d({0}, 2)", "F.avg_pool2d({0}, 3, 2, 1)",
    "F.avg_pool2d({0}, 3, 2, 1, count_include_pad=False)", "F.max_pool2d({0}, 2, ceil_mode=True)",
    "F.adaptive_avg_pool2d({0}, {1})", "{0}[:, :, ::2, ::2]",
)  # fmt: skip
#: Features to a Linear layer of ``width`` inputs.
_HEADS = (
    "{0}.mean((2, 3))", "{0}.mean((-1, -2))", "F.adaptive_avg_pool2d({0}, 1).flatten(1)", "{0}.amax((2, 3))",
    "{0}.flatten(2).mean(2)", "{0}.mean((2, 3), keepdim=True).flatten(1)", "{0}.mean(3).mean(2)",
    "{0}.sum((2, 3)) / 16", "F.adaptive_max_pool2d({0}, 1).flatten(1)",
    "{0}.permute(0, 2, 3, 1).mean((1, 2))",
)  # fmt: skip
_HEADER = (
    "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\nclass Network(nn.Module):\n"
)


@dataclass
class Writer:
    """The code of a network as it grows, and the shape of its current map.

    Attributes:
        draw: hypothesis' own.
        width: channels of the map ``x``.
        size: its height and width.
        layers: lines of ``__init__``.
        steps: lines of ``forward``.
        earlier: variable to the width and size of a map that may be used again.
    """

    draw: Callable[[Any], Any]
    width: int = 16
    size: int = 12
    layers: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    earlier: dict[str, tuple[int, int]] = field(default_factory=dict)

    def choose(self, options: Any) -> Any:
        """Return one of ``options``, drawn."""
        return self.draw(st.sampled_from(tuple(options)))

    def layer(self, code: str) -> str:
        """Add a layer and return the name it is called by."""
        name = f"self.m{len(self.layers)}"
        self.layers.append(f"{name} = {code}")
        return name

    def step(self, code: str) -> None:
        """Make ``x`` what ``code`` says; ``{0}`` stands for ``x``."""
        self.steps.append("x = " + code.format("x", max(self.size // 2, 1)))

    def activation(self, of: str) -> str:
        """Return an expression: an activation of a variable, or the variable itself."""
        return str(self.choose(("{0}", *_ACTIVATIONS))).format(of)

    def code(self) -> str:
        """Return the class."""
        layers = "".join(f"        {line}\n" for line in self.layers)
        steps = "".join(f"        {line}\n" for line in self.steps)
        return (
            f"{_HEADER}    def __init__(self):\n        super().__init__()\n{layers}\n"
            f"    def forward(self, x):\n{steps}        return x\n"
        )


def _convolution(w: Writer) -> None:
    kernel, groups = w.choose((1, 3, 5)), w.choose((1, 1, 4, w.width))
    outputs, dilation = w.choose((w.width, 16, 24)), w.choose((1, 1, 2)) if kernel == 3 else 1
    groups = groups if w.width % groups == 0 and outputs % groups == 0 else 1
    stride = w.choose((1, 1, 2)) if w.size >= 6 else 1
    mode = w.choose(("zeros", "zeros", "reflect", "replicate")) if w.size > 4 else "zeros"
    padding = dilation * (kernel // 2)
    bias = w.choose((True, False))
    conv = w.layer(
        f"nn.Conv2d({w.width}, {outputs}, {kernel}, {stride}, {padding}, {dilation}, {groups}, {bias}, {mode!r})"
    )
    order = w.choose(("conv norm", "conv norm", "norm conv", "conv act norm", "conv"))
    if order == "norm conv":
        w.step(f"{w.layer(f'nn.BatchNorm2d({w.width})')}({{0}})")
    w.step(f"{conv}({{0}})")
    if order == "conv act norm":
        w.step("torch.relu({0})")
    if order in ("conv norm", "conv act norm"):
        w.step(f"{w.layer(f'nn.BatchNorm2d({outputs})')}({{0}})")
    w.step(w.activation("{0}"))
    w.width, w.size = outputs, (w.size + stride - 1) // stride


def _shared(w: Writer) -> None:
    """One convolution, twice, maybe a BatchNorm for each call."""
    conv = w.layer(f"nn.Conv2d({w.width}, {w.width}, 3, padding=1)")
    for _ in range(2):
        inner = f"{conv}({{0}})"
        if w.draw(st.booleans()):
            inner = f"{w.layer(f'nn.BatchNorm2d({w.width})')}({inner})"
        w.step(f"torch.relu({inner})")


def _forked(w: Writer) -> None:
    """A convolution's output goes two ways."""
    conv = w.layer(f"nn.Conv2d({w.width}, {w.width}, 3, padding=1, bias={w.choose((True, False))})")
    norm = w.layer(f"nn.BatchNorm2d({w.width})")
    w.steps.append(f"y = {conv}(x)")
    other = w.activation("y")
    w.step(f"torch.relu({norm}(y)) {w.choose('+-*')} {other}")


def _residual(w: Writer) -> None:
    """An earlier map of the same shape comes back, at times scaled."""
    fitting = [name for name, shape in w.earlier.items() if shape == (w.width, w.size)]
    conv, norm = (
        w.layer(f"nn.Conv2d({w.width}, {w.width}, 3, padding=1, bias=False)"),
        f"nn.BatchNorm2d({w.width})",
    )
    scale = w.choose(("", "", "0.17 * "))
    w.step(f"{w.choose((*fitting, 'x'))} + {scale}{w.layer(norm)}({conv}({{0}}))")


def _branches(w: Writer) -> None:
    """Two branches side by side, their channels shuffled at times."""
    a = w.layer(f"nn.Conv2d({w.width}, 8, 1)")
    b = w.layer(f"nn.Sequential(nn.Conv2d({w.width}, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))")
    w.step(f"torch.cat(({w.activation(f'{a}(x)')}, torch.relu({b}(x))), 1)")
    w.width = 16
    if w.draw(st.booleans()):
        w.step(
            f"{{0}}.view(-1, 2, 8, {w.size}, {w.size}).transpose(1, 2).reshape(-1, 16, {w.size}, {w.size})"
        )


def _split(w: Writer) -> None:
    half = w.width // 2
    conv = w.layer(f"nn.Conv2d({half}, {half}, 3, padding=1)")
    w.steps.append("a, b = x.chunk(2, 1)")
    w.step(f"torch.cat((a, torch.relu({conv}(b))), 1)")


def _gate(w: Writer) -> None:
    reduce, expand = w.layer(f"nn.Conv2d({w.width}, 4, 1)"), w.layer(f"nn.Conv2d(4, {w.width}, 1)")
    mean = w.choose(
        ("F.adaptive_avg_pool2d(x, 1)", "x.mean((2, 3), keepdim=True)", "x.mean((-1, -2))[:, :, None, None]")
    )
    gate = w.choose(("torch.sigmoid({})", "F.hardsigmoid({})", "F.relu6({} + 3) / 6"))
    w.step("{0} * " + gate.format(f"{expand}(torch.relu({reduce}({mean})))"))


def _five_dimensions(w: Writer) -> None:
    """A gate over groups of channels, in five dimensions."""
    groups = w.choose((2, 4))
    w.steps.append(f"y = x.view(-1, {groups}, {w.width // groups}, {w.size}, {w.size})")
    mean = w.choose(
        ("y.mean((-2, -1), keepdim=True)", "y.mean((3, 4), keepdim=True)", "y.mean(1, keepdim=True)")
    )
    w.step(f"(y * torch.sigmoid({mean})).reshape(-1, {w.width}, {w.size}, {w.size})")


def _scalar(w: Writer) -> None:
    w.step(w.choose(_SCALARS))


def _pool(w: Writer) -> None:
    if w.size < 4 or w.size % 2:
        return
    w.step(w.choose(_POOLS))
    w.size //= 2


def _resize(w: Writer) -> None:
    """Down by a convolution and up again, beside what it came from."""
    if w.size < 4 or w.size % 2:
        return
    down = w.layer(f"nn.Conv2d({w.width}, 8, 3, 2, 1)")
    mode = w.choose(
        ("mode='nearest'", "mode='bilinear', align_corners=False", "mode='bilinear', align_corners=True")
    )
    w.step(f"torch.cat((x, F.interpolate(torch.relu({down}(x)), scale_factor=2, {mode})), 1)")
    w.width += 8


def _transposed(w: Writer) -> None:
    if w.size > 12:
        return
    conv = w.layer(f"nn.ConvTranspose2d({w.width}, 16, 2, 2)")
    inner = f"{conv}(x)"
    if w.draw(st.booleans()):
        inner = f"{w.layer('nn.BatchNorm2d(16)')}({inner})"
    w.step(f"torch.relu({inner})")
    w.width, w.size = 16, w.size * 2


def _layer_norm(w: Writer) -> None:
    norm, linear = w.layer(f"nn.LayerNorm({w.width})"), w.layer(f"nn.Linear({w.width}, {w.width})")
    w.step(f"{{0}} + F.gelu({linear}({norm}({{0}}.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)")


def _attention(w: Writer) -> None:
    if w.size > 12:
        return
    qkv, scale = w.layer(f"nn.Linear({w.width}, {3 * w.width})"), round(w.width**-0.5, 4)
    w.steps.append(f"q, k, v = {qkv}(x.flatten(2).transpose(1, 2)).chunk(3, -1)")
    attend = w.choose(
        (
            f"torch.softmax((q * {scale}) @ k.transpose(-2, -1), -1) @ v",
            f"torch.softmax(q @ k.transpose(-2, -1) * {scale}, -1) @ v",
            "F.scaled_dot_product_attention(q, k, v)",
        )
    )
    w.step(f"x + ({attend}).transpose(1, 2).reshape(-1, {w.width}, {w.size}, {w.size})")


_PARTS = (
    _convolution, _convolution, _convolution, _shared, _forked, _residual, _residual, _branches, _split, _gate,
    _five_dimensions, _scalar, _pool, _resize, _transposed, _layer_norm, _attention,
)  # fmt: skip


@st.composite
def networks(draw: Any) -> str:
    """Return the code of a module that defines ``Network``."""
    w = Writer(draw)
    stem = w.layer("nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())")
    second = w.layer("nn.Conv2d(8, 16, 3, 2, 1, bias=False)")
    w.step(f"{second}({stem}({{0}}))")
    if w.draw(st.booleans()):  # else the stem's convolution itself goes on, as in pre-activation networks
        w.step(f"torch.relu({w.layer('nn.BatchNorm2d(16)')}({{0}}))")
    for index in range(draw(st.integers(2, 4))):
        w.steps.append(f"kept{index} = x")
        w.earlier[f"kept{index}"] = (w.width, w.size)
        w.choose(_PARTS)(w)
    w.step(w.choose(_HEADS))
    if w.draw(st.booleans()):
        w.step(w.activation(f"{w.layer(f'nn.Linear({w.width}, 24)')}({{0}})"))
        w.width = 24
    w.step(f"{w.layer(f'nn.Linear({w.width}, 8)')}({{0}})")
    return w.code()


def factory(code: str) -> Make:
    """Return the factory of the network that ``code`` defines."""
    names: dict[str, Any] = {}
    exec(compile(code, "<drawn network>", "exec"), names)
    make: Callable[[], nn.Module] = names["Network"]
    return make
