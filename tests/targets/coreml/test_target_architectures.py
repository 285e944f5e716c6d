"""Programs we did not write: ten architectures of different families, and faults that must not go unseen."""

from __future__ import annotations

import copy
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from fer_deploy.errors import ArtifactError
from fer_deploy.targets.coreml.interpreter.program import Program, open_program
from fixtures.architectures import ARCHITECTURES, lively, smooth_images
from fixtures.mil_programs import converted, outputs_of

SHAPE = (1, 1, 32, 32)
#: What the issue asks of foreign programs.
TOLERANCE = 1e-3


def logits_of(network: nn.Module, images: torch.Tensor) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits: NDArray[np.float32] = network(images).numpy()
    return logits


@functools.cache
def right_program(name: str) -> Program:
    return converted(lively(name, SHAPE), SHAPE)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of ResNet's. Copy it before you damage it."""
    folder = tmp_path_factory.mktemp("resnet")
    converted(lively("resnet", SHAPE), SHAPE, folder=folder)
    return folder / "model.mlpackage"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_foreign_architectures_run_to_1e_3(name: str) -> None:
    network, images = lively(name, SHAPE), smooth_images(16, SHAPE, seed=2)
    expected = logits_of(network, images)
    assert expected.std(axis=0).max() > 0.05, "logits that ignore the image would prove nothing"
    (ours,) = outputs_of(right_program(name), {"x": images.numpy()})
    assert np.abs(ours - expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", ["mobilenet_v3", "resnet"])
def test_fp16_accumulation_stays_near_fp32_accumulation(name: str) -> None:
    network, images = lively(name, SHAPE), smooth_images(4, SHAPE, seed=2)
    program = converted(network, SHAPE, "FLOAT16")
    wide = outputs_of(program, {"x": images.numpy()})[0]
    narrow = outputs_of(program, {"x": images.numpy()}, "fp16")[0]
    fp32 = logits_of(network, images)
    assert 0 < np.abs(wide - fp32).max() < 0.05
    assert np.abs(wide - fp32).max() < np.abs(narrow - fp32).max() < 0.2, "fp16 sums must be visibly worse"


def _eps(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.05


def _relu_for_relu6(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, nn.ReLU())


def _one_weight(network: nn.Module) -> None:
    weight = next(network.parameters())
    with torch.no_grad():
        weight.view(-1)[0] += 0.5


@pytest.mark.parametrize("fault", [_eps, _relu_for_relu6, _one_weight])
def test_faults_of_the_network_are_seen(fault: Callable[[nn.Module], None]) -> None:
    """A converter that made these mistakes would be caught at the tolerance that right programs keep."""
    network = lively("mobilenet_v1", SHAPE)
    images = 3 * smooth_images(16, SHAPE, seed=2)  # wide enough that ReLU6 clips
    broken = copy.deepcopy(network)
    fault(broken)
    (right,) = outputs_of(right_program("mobilenet_v1"), {"x": images.numpy()})
    (wrong,) = outputs_of(converted(broken, SHAPE), {"x": images.numpy()})
    expected = logits_of(network, images)
    assert np.abs(right - expected).max() <= TOLERANCE
    assert np.abs(wrong - expected).max() > 10 * TOLERANCE


@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_truncated_weights_are_refused(package: Path, tmp_path: Path, keep: float) -> None:
    path = Path(shutil.copytree(package, tmp_path / "model.mlpackage"))
    weights = next(path.rglob("weight.bin"))
    weights.write_bytes(weights.read_bytes()[: int(weights.stat().st_size * keep)])
    with pytest.raises(ArtifactError, match=r"damaged.*truncated"):
        open_program(path)
    weights.write_bytes(b"")
    with pytest.raises(ArtifactError, match="damaged"):
        open_program(path)
    weights.unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        open_program(path)


def test_damaged_packages_are_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"has no Manifest\.json"):
        open_program(tmp_path)
    path = Path(shutil.copytree(package, tmp_path / "model.mlpackage"))
    model = next(path.rglob("model.mlmodel"))
    model.write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactError, match="not a Core ML model specification"):
        open_program(path)
    (path / "Manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not a package manifest"):
        open_program(path)
