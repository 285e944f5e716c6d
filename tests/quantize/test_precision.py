"""Layers that do not compute in float32 are named, with what to do."""

from __future__ import annotations

import pytest
import torch

from fer_deploy.errors import ModelError, QuantizationError
from fer_deploy.model import Model
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fixtures.synthetic import contract_for, input_spec, separable_faces


class Elsewhere(torch.nn.Module):
    """A small network with one layer in another precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(1, 8, 3, 2)
        self.other = torch.nn.Conv2d(8, 8, 3).to(dtype)
        self.head = torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x)).to(self.other.weight.dtype)
        logits: torch.Tensor = self.head(torch.relu(self.other(y)).to(x.dtype).mean((2, 3)))
        return logits


def model(dtype: torch.dtype) -> Model:
    return Model("elsewhere", "tests:elsewhere", Elsewhere(dtype).eval(), contract_for(input_spec()), "")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_int8_is_made_of_float32_layers(dtype: torch.dtype) -> None:
    calibration = choose_calibration(separable_faces(64, 0), 32)
    with pytest.raises(
        QuantizationError, match=r"layer network\.other computes in float(16|64).*model\.float\(\)"
    ):
        quantize_ptq(model(dtype), calibration)


def test_bfloat16_is_refused_for_every_recipe() -> None:
    calibration = choose_calibration(separable_faces(64, 0), 32)
    with pytest.raises(ModelError, match=r"layer network\.other \(Conv2d\) has weights in bfloat16"):
        quantize_ptq(model(torch.bfloat16), calibration)


def test_float32_is_quantized() -> None:
    calibration = choose_calibration(separable_faces(64, 0), 32)
    assert quantize_ptq(model(torch.float32), calibration).scales is not None
