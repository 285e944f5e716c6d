from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.errors import ModelError
from fer_deploy.model import count_parameters
from fer_deploy.zoo import ARCHITECTURES, build
from fer_deploy.zoo.layers import ActivationName, make_divisible
from fer_deploy.zoo.layouts import LAYOUTS
from fer_deploy.zoo.mobilenet import scaled


def test_parameter_limits_of_the_family() -> None:
    counts = {name: count_parameters(build(name, 8)) for name in LAYOUTS}
    assert counts["fer_m"] < 1_000_000
    assert counts["fer_s"] < 500_000
    assert counts["fer_s_stem1"] == counts["fer_s"]
    assert counts["fer_xs"] < counts["fer_s"] < counts["fer_m"] < counts["mobilenet_v2"]


def test_full_mobilenet_v2_has_the_published_body() -> None:
    # torchvision's mobilenet_v2 has 3,504,872 parameters with 3 channels and 1000 classes; strides hold none
    assert count_parameters(build("mobilenet_v2", 1000, channels=3)) == 3_504_872


@settings(max_examples=15)
@given(
    name=st.sampled_from([name for name in ARCHITECTURES if name != "mobilenet_v2"]),
    classes=st.integers(2, 30),
    channels=st.sampled_from([1, 3]),
    height=st.integers(16, 64),
    width=st.integers(16, 64),
)
def test_any_class_count_size_and_colour(
    name: str, classes: int, channels: int, height: int, width: int
) -> None:
    network = build(name, classes, channels, width=0.25).eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, channels, height, width))
    assert logits.shape == (2, classes)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("size", [48, 64, 112])
def test_total_stride_is_8(name: str, size: int) -> None:
    network = build(name, 8, width=0.25).eval()
    maps: list[torch.Size] = []
    # mobilenet_v3 pools once more in front of its last layer, and within its squeeze-and-excite
    pools = [one for one in network.modules() if isinstance(one, torch.nn.AdaptiveAvgPool2d)]
    for pool in pools:
        pool.register_forward_hook(lambda _, inputs, __: maps.append(inputs[0].shape[2:]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, size, size))
    sides = [shape[0] for shape in maps if shape[0] > 1]
    # These keep their own strides, 16 in all, rounded up.
    own = name in ("mini_xception", "efficientnet_lite0_stem1")
    assert sides[-1] == (-(-size // 16) if own else size // 8)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_every_parameter_learns(name: str) -> None:
    network = build(name, 4).train()
    network(torch.randn(4, 1, 32, 32)).square().sum().backward()
    idle = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    # in front of a BatchNorm and behind a classifier of 0.01 gradients are small, but none is exactly zero
    assert idle == []


@given(value=st.floats(0.1, 4000), divisor=st.sampled_from([4, 8, 16]))
def test_make_divisible(value: float, divisor: int) -> None:
    rounded = make_divisible(value, divisor)
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * value
    assert rounded <= max(divisor, 1.1 * value + divisor)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_width_scales_channels_and_keeps_the_head(name: str) -> None:
    layout = LAYOUTS[name]
    narrow, wide = scaled(layout, 0.5), scaled(layout, 2.0)
    assert narrow.head_channels == layout.head_channels
    assert wide.head_channels == 2 * layout.head_channels
    counts = [count_parameters(build(name, 8, width=width)) for width in (0.5, 1.0, 2.0)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # torchvision 0.20, 1000 classes, 3 channels
        ("mobilenet_v3_small", 2_542_856),
        ("shufflenet_v2", 2_278_604),
        # timm 1.0
        ("efficientnet_lite0", 4_652_008),
        # Keras applications, trainable ones
        ("mobilenet_v1", 4_231_976),
    ],
)
def test_peers_have_the_published_bodies(name: str, published: int) -> None:
    assert count_parameters(build(name, 1000, channels=3)) == published


def test_squeezenet_has_the_published_weights() -> None:
    # torchvision's squeezenet1_1 has 1,235,496: 26 convolutions with bias, where ours has a BatchNorm
    network = build("squeezenet", 1000, channels=3)
    norms = sum(one.weight.numel() for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d))
    assert count_parameters(network) - norms == 1_235_496


def test_mini_xception_has_the_published_body() -> None:
    # the authors' summary: 58,423, of them 1,472 untrained BatchNorm statistics; its last 3x3 convolution to
    # seven maps has 128 x 9 x 7 + 7 where ours has a linear layer
    assert count_parameters(build("mini_xception", 7)) == 58_423 - 1_472 - (128 * 9 * 7 + 7) + (128 * 7 + 7)


def test_depth_and_expansion_change_what_they_name() -> None:
    layout = LAYOUTS["fer_s"]
    assert scaled(layout) == layout
    deeper = scaled(layout, depth=1.5)
    assert [stage.repeats for stage in deeper.stages] == [2, 5, 6, 3]
    assert [stage.repeats for stage in scaled(layout, depth=0.1).stages] == [1, 1, 1, 1]
    assert [stage.expansion for stage in scaled(layout, expansion=2).stages] == [1, 2, 2, 2]
    assert deeper.head_channels == layout.head_channels
    hidden = [one for one in build("fer_s", 8, expansion=2).modules() if isinstance(one, torch.nn.Conv2d)]
    assert any(one.groups == 2 * 40 for one in hidden)


def test_stem_stride_doubles_every_map_and_keeps_the_weights() -> None:
    coarse, fine = build("fer_s", 8).eval(), build("fer_s", 8, stem_stride=1).eval()
    fine.load_state_dict(coarse.state_dict())
    sides = {}
    for network in (coarse, fine):
        network.get_submodule("head").register_forward_hook(
            lambda module, _, y: sides.update({module: tuple(y.shape[2:])})
        )
        network(torch.zeros(1, 1, 48, 48))
    assert sides == {coarse.head: (6, 6), fine.head: (12, 12)}
    with torch.inference_mode():
        pixels = torch.randn(1, 1, 48, 48)
        whole, half = (one.get_submodule("stem")(pixels) for one in (fine, coarse))
        assert whole.shape[2:] == (48, 48)
        torch.testing.assert_close(whole[:, :, ::2, ::2], half)


@pytest.mark.parametrize(("activation", "kind"), [("relu6", torch.nn.ReLU6), ("relu", torch.nn.ReLU)])
def test_activation_is_the_one_asked_for(activation: ActivationName, kind: type[torch.nn.Module]) -> None:
    network = build("fer_xs", 8, activation=activation)
    found = {type(one) for one in network.modules() if isinstance(one, torch.nn.ReLU | torch.nn.ReLU6)}
    assert found == {kind}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "resnet50"}, "unknown architecture 'resnet50'; known: mobilenet_v2, fer_m"),
        ({"num_classes": 1}, "1 classes"),
        ({"channels": 2}, "2 channels"),
        ({"width": 0.0}, "width 0.0"),
        ({"width": float("nan")}, "width nan"),
        ({"depth": 0.0}, "depth 0.0"),
        ({"depth": float("nan")}, "depth nan"),
        ({"expansion": 9}, "expansion 9"),
        ({"expansion": 0}, "expansion 0"),
        ({"activation": "gelu"}, "activation gelu"),
        ({"stem_stride": 3}, "stem_stride 3"),
        ({"name": "squeezenet", "stem_stride": 1}, "'squeezenet' has no .* stem_stride to choose"),
        (
            {"name": "squeezenet", "depth": 2.0},
            "'squeezenet' has no depth, expansion, activation or stem_stride",
        ),
        ({"name": "mini_xception", "activation": "relu"}, "'mini_xception' has no depth"),
    ],
)
def test_refusals(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        build(**{"name": "fer_s", "num_classes": 8, **arguments})
    assert "\n" not in str(caught.value)
