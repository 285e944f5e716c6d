"""Each planted fault is caught, by name, before or while a graph is quantized."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model
from fer_deploy.quantize.fit import MAX_RATIO, MAX_SHIFT, check_fit, statistics_fit
from fer_deploy.quantize.preflight import check_observers
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import CalibrationSet, PtqOptions, choose_calibration
from fixtures.outside import Outside
from fixtures.synthetic import contract_for, input_spec, separable_faces

CALIBRATION = choose_calibration(separable_faces(80, 0), 64)


def model_of(network: nn.Module, train: bool = False) -> Model:
    torch.manual_seed(0)
    return Model("planted", "planted", network.train(train), contract_for(input_spec()), "0" * 64)


class Net(nn.Module):
    """A convolution, something in the middle, a head."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.middle = middle
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.pool(self.middle(self.norm(self.stem(x)))).flatten(1))
        return y


class InfinitePad(nn.Module):
    """How mini-Xception was ported: pad with -inf, then pool without padding."""

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), value=float("-inf"))
        return nn.functional.max_pool2d(padded, 3, 2)


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(torch.relu(x)) + x


class Dead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        nn.init.zeros_(self.conv.weight)
        assert self.conv.bias is not None
        nn.init.constant_(self.conv.bias, -1.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


def test_infinite_pad_is_named_with_a_remedy() -> None:
    with pytest.raises(QuantizationError, match=r"layer network\.middle:pad.*-inf.*use a finite one"):
        quantize_ptq(model_of(Net(InfinitePad())), CALIBRATION)


def test_a_clamp_with_an_infinite_bound_is_no_fault() -> None:
    graph = quantize_ptq(model_of(Net(nn.Hardtanh(0.0, float("inf")))), CALIBRATION)
    assert graph.scales is not None


def test_batchnorm_in_training_mode_is_named_with_a_remedy() -> None:
    with pytest.raises(QuantizationError, match=r"network\.norm.*BatchNorm is in training mode.*eval"):
        quantize_ptq(model_of(Net(nn.ReLU()), train=True), CALIBRATION)


def test_dropout_in_training_mode_is_named() -> None:
    model = model_of(Net(nn.Dropout(0.5)))
    model.network.middle.train()  # type: ignore[union-attr]
    with pytest.raises(QuantizationError, match=r"network\.middle.*Dropout is in training mode"):
        quantize_ptq(model, CALIBRATION)


def test_activations_that_are_not_finite_are_named() -> None:
    with pytest.raises(QuantizationError, match=r"layer network\.middle.* are not finite"):
        quantize_ptq(model_of(Net(Log())), CALIBRATION)


def test_weights_that_are_not_finite_are_named() -> None:
    network = Net(nn.ReLU())
    with torch.no_grad():
        network.stem.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(QuantizationError, match=r"network\.stem.*not finite"):
        quantize_ptq(model_of(network), CALIBRATION)


def test_dead_layer_is_named() -> None:
    with pytest.raises(QuantizationError, match=r"network\.middle.*is 0 on every calibration image"):
        quantize_ptq(model_of(Net(Dead())), CALIBRATION)


def test_observer_that_saw_nothing_is_named() -> None:
    prepared = prepare(model_of(Net(nn.ReLU())), CALIBRATION, PtqOptions())
    observed = prepared.observed
    for module in observed.modules():
        if getattr(module, "seen", 0):
            setattr(module, "seen", 0)  # noqa: B010 - no attribute of every Module
    with pytest.raises(QuantizationError, match=r"layer \S+: its observer saw nothing"):
        check_observers(observed)


def test_calibration_of_one_class_is_refused() -> None:
    faces = separable_faces(80, 0)
    one = faces.subset(faces.targets == 2)
    with pytest.raises(QuantizationError, match=r"one class only \(top\)"):
        quantize_ptq(model_of(Net(nn.ReLU())), CalibrationSet(one, 0))


def test_right_contract_and_labels_pass(separable_model: Outside) -> None:
    check_fit(separable_model.model, separable_model.test)
    fit = statistics_fit(separable_model.model, separable_model.test)
    assert fit is not None
    assert fit.layer == "network.stem.1:batch_norm"
    assert fit.shift < MAX_SHIFT / 2
    assert fit.ratio < 1 + (MAX_RATIO - 1) / 2


@pytest.mark.parametrize(("mean", "std"), [(0.0, 255.0), (127.5, 127.5), (0.0, 64.0), (0.0, 1.0)])
def test_wrong_mean_or_std_is_caught(separable_model: Outside, mean: float, std: float) -> None:
    contract = separable_model.model.contract
    wrong = contract.model_copy(
        update={"input": contract.input.model_copy(update={"mean": (mean,), "std": (std,)})}
    )
    model = dataclasses.replace(separable_model.model, contract=wrong)
    with pytest.raises(QuantizationError, match=r"network\.stem\.1.*mean, std or colour order"):
        check_fit(model, separable_model.test)


def test_shuffled_labels_are_caught(separable_model: Outside) -> None:
    faces = separable_model.test
    shuffled = np.random.default_rng(0).permutation(faces.targets)
    with pytest.raises(QuantizationError, match="no better than chance"):
        check_fit(separable_model.model, dataclasses.replace(faces, targets=shuffled))


def test_labels_in_another_order_are_caught(separable_model: Outside) -> None:
    faces = separable_model.test
    rotated = (faces.targets + 1) % len(faces.labels)
    with pytest.raises(QuantizationError, match="another order than the contract's"):
        check_fit(separable_model.model, dataclasses.replace(faces, targets=rotated))
