"""What the shipped model must show, on the full FER+ test split and in the real runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.parity import accuracy_figures, parity_figures
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.model import Model, count_parameters, load_model
from fer_deploy.pipeline.export import Exported, calibration_for
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.targets.artifact import write_artifact
from fer_deploy.targets.registry import get_target

MODEL = Path(__file__).resolve().parents[2] / "models" / "fer_s"
TARGETS = ("executorch", "onnx")
Logits = NDArray[np.float32]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(MODEL)


@pytest.fixture(scope="module")
def faces(fer_data: Path, model: Model) -> Faces:
    return open_dataset(DatasetSpec(path=fer_data), "test", model.contract.labels, model.contract.input)


@pytest.fixture(scope="module")
def reference(model: Model, faces: Faces) -> Logits:
    return float_graph(model).logits(faces.pixels, "float")


@pytest.fixture(scope="module")
def exported(fer_data: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    spec = DatasetSpec(path=fer_data)
    training = open_dataset(spec, "train", model.contract.labels, model.contract.input)
    graph = quantize_ptq(model, calibration_for(training, 512, 0))
    root = tmp_path_factory.mktemp("fer_s")
    return {
        name: Exported(
            *write_artifact(get_target(name), graph, root / name, model.name, model.weights_sha256)
        )
        for name in TARGETS
    }


@pytest.fixture(scope="module")
def logits(exported: dict[str, Exported], faces: Faces) -> dict[str, Logits]:
    return {name: artifact_logits(one.artifact, faces.pixels) for name, one in exported.items()}


def test_float_accuracy(reference: Logits, faces: Faces) -> None:
    accuracy = accuracy_figures(reference, faces).accuracy.value
    assert accuracy is not None
    assert accuracy >= 0.80


@pytest.mark.parametrize("target", TARGETS)
def test_int8_keeps_accuracy_and_answers(
    target: str, reference: Logits, logits: dict[str, Logits], faces: Faces
) -> None:
    parity = parity_figures(reference, logits[target], faces)
    assert parity.drop.value is not None
    assert parity.drop.value <= 0.5
    assert parity.agreement.value is not None
    assert parity.agreement.value >= 0.98


@pytest.mark.parametrize("target", TARGETS)
def test_int8_is_small_and_fully_delegated(target: str, exported: dict[str, Exported], model: Model) -> None:
    one = exported[target]
    assert one.artifact.info.size_bytes <= 1.3 * count_parameters(model.network)
    assert one.delegation.delegated == one.delegation.total
    assert not one.delegation.not_delegated


def test_targets_part_only_where_two_classes_are_a_step_apart(
    exported: dict[str, Exported], logits: dict[str, Logits]
) -> None:
    first, second = (logits[name] for name in TARGETS)
    scales = exported["onnx"].artifact.info.scales
    assert scales is not None
    step = scales.activations[-1].scale
    # Engines round half-way values to different neighbours; nothing is further off than that.
    assert np.abs(first - second).max() <= 1.001 * step
    parted = first.argmax(1) != second.argmax(1)
    assert parted.mean() <= 0.002  # how often two classes are a step apart is the weights' matter
    top = np.sort(first[parted], axis=1)
    assert (top[:, -1] - top[:, -2] <= 1.001 * step).all()
