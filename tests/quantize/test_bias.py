"""Bias correction follows a layer's channels wherever they lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fer_deploy.model import Model
from fer_deploy.quantize.bias import channel_means
from fer_deploy.quantize.prepare import statistics_pixels
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import PtqOptions, choose_calibration
from fixtures.synthetic import contract_for, input_spec, separable_faces


class Tokens(nn.Module):
    """A linear layer over the places of a map: its channels are the last axis, and as many as places or not."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 12, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.mixed = nn.Linear(12, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.pool(torch.relu(self.stem(x))).flatten(2).transpose(1, 2)
        y: Tensor = self.head(torch.relu(self.mixed(tokens)).mean(1))
        return y


@pytest.mark.parametrize("side", [3, 4])
def test_a_layer_over_tokens_is_corrected_by_channel(side: int) -> None:
    torch.manual_seed(0)
    model = Model("tokens", "tokens", Tokens(side).eval(), contract_for(input_spec(24)), "0" * 64)
    calibration = choose_calibration(separable_faces(160, 0), 64)
    pixels = statistics_pixels(None, calibration)

    def error(corrected: bool) -> float:
        graph = quantize_ptq(model, calibration, PtqOptions(bias_correction=corrected)).module
        assert isinstance(graph, torch.fx.GraphModule)
        found = channel_means(graph, pixels)[-2]
        assert found.shape == (16,)
        return float((found - wanted).abs().mean())

    exported = torch.export.export(model.network.eval(), (pixels,)).module()
    assert isinstance(exported, torch.fx.GraphModule)
    normalised = (pixels - input_spec().mean[0]) / input_spec().std[0]
    wanted = channel_means(exported, normalised)[-2]
    assert error(True) < 0.5 * error(False)
