"""ImageNet's weights in the zoo's EfficientNet-Lite0."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from fer_deploy.errors import TrainingError
from fer_deploy.train import pretrained
from fer_deploy.train.pretrained import PACKAGE, load_imagenet
from fer_deploy.zoo import build


def published() -> dict[str, torch.Tensor]:
    return pretrained._weights()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite0_stem1"])
def test_the_first_block_answers_as_published(name: str) -> None:
    network = build(name, 8, channels=3).eval()
    assert load_imagenet(network) == ("classifier.weight", "classifier.bias")
    weights = published()
    x = torch.randn(2, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    scale = weights["_blocks.1._bn0.weight"] / torch.sqrt(weights["_blocks.1._bn0.running_var"] + 1e-3)
    expanded = torch.nn.functional.conv2d(x, weights["_blocks.1._expand_conv.weight"])
    mean, bias = weights["_blocks.1._bn0.running_mean"], weights["_blocks.1._bn0.bias"]
    expected = (expanded - mean[:, None, None]) * scale[:, None, None] + bias[:, None, None]
    with torch.no_grad():
        body = "blocks.1.body"
        found = network.get_submodule(f"{body}.1")(network.get_submodule(f"{body}.0")(x))
    assert torch.allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_a_grey_stem_answers_as_the_coloured_one_to_a_grey_picture() -> None:
    grey, colour = build("efficientnet_lite0_stem1", 8, 1), build("efficientnet_lite0_stem1", 8, 3)
    load_imagenet(grey)
    load_imagenet(colour)
    x = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain, coloured = grey.get_submodule("stem.0"), colour.get_submodule("stem.0")
        assert torch.allclose(plain(x), coloured(x.expand(-1, 3, -1, -1)), atol=1e-5)


def test_another_architecture_is_refused() -> None:
    with pytest.raises(TrainingError, match="efficientnet_lite0"):
        load_imagenet(build("fer_s", 8))
    with pytest.raises(TrainingError, match="width 1"):
        load_imagenet(build("efficientnet_lite0", 8, width=0.5))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TrainingError, match=f"{PACKAGE}.*pip install"):
        load_imagenet(build("efficientnet_lite0", 8))
