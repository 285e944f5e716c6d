from __future__ import annotations

import torch

from fer_deploy.model import Model
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fixtures.synthetic import separable_faces


def test_quantizing_leaves_the_float_model_alone(trained_model: Model) -> None:
    """The float model is the reference of every comparison: a bias rounded in it would hide the drop."""
    before = {key: value.clone() for key, value in trained_model.network.state_dict().items()}
    quantize_ptq(trained_model, choose_calibration(separable_faces(320, 0), 16))
    after = trained_model.network.state_dict()
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []
