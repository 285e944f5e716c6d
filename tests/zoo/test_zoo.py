from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.errors import ModelError
from fer_deploy.model import count_parameters
from fer_deploy.zoo import ARCHITECTURES, build
from fer_deploy.zoo.mobilenetv2 import MobileNetV2, make_divisible, scaled


def test_parameter_limits_of_the_family() -> None:
    counts = {name: count_parameters(build(name, 8)) for name in ARCHITECTURES}
    assert counts["fer_m"] < 1_000_000
    assert counts["fer_s"] < 500_000
    assert counts["fer_xs"] < counts["fer_s"] < counts["fer_m"] < counts["mobilenet_v2"]


def test_full_mobilenet_v2_has_the_published_body() -> None:
    # torchvision's mobilenet_v2 has 3,504,872 parameters with 3 channels and 1000 classes; strides hold none
    assert count_parameters(build("mobilenet_v2", 1000, channels=3)) == 3_504_872


@settings(max_examples=15)
@given(
    name=st.sampled_from(["fer_m", "fer_s", "fer_xs"]),
    classes=st.integers(2, 30),
    channels=st.sampled_from([1, 3]),
    height=st.integers(16, 64),
    width=st.integers(16, 64),
)
def test_any_class_count_size_and_colour(
    name: str, classes: int, channels: int, height: int, width: int
) -> None:
    network = build(name, classes, channels).eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, channels, height, width))
    assert logits.shape == (2, classes)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("size", [48, 64, 112])
def test_total_stride_is_8(name: str, size: int) -> None:
    network = build(name, 8).eval()
    assert isinstance(network, MobileNetV2)
    with torch.inference_mode():
        assert network.blocks(network.stem(torch.zeros(1, 1, size, size))).shape[2:] == (size // 8, size // 8)


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


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_width_scales_channels_and_keeps_the_head(name: str) -> None:
    layout = ARCHITECTURES[name]
    narrow, wide = scaled(layout, 0.5), scaled(layout, 2.0)
    assert narrow.head_channels == layout.head_channels
    assert wide.head_channels == 2 * layout.head_channels
    counts = [count_parameters(build(name, 8, width=width)) for width in (0.5, 1.0, 2.0)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "resnet50"}, "unknown architecture 'resnet50'; known: mobilenet_v2, fer_m"),
        ({"num_classes": 1}, "1 classes"),
        ({"channels": 2}, "2 channels"),
        ({"width": 0.0}, "width 0.0"),
        ({"width": float("nan")}, "width nan"),
    ],
)
def test_refusals(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        build(**({"name": "fer_s", "num_classes": 8} | arguments))
    assert "\n" not in str(caught.value)
