"""What must be shown on the zoo's model and the whole FER+ test split; every figure is computed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import FP16, W8, choose_calibration
from fer_deploy.targets.coreml import CoreMLOptions, CoreMLTarget

pytestmark = pytest.mark.slow
Logits = NDArray[np.float32]
_MODEL = Path(__file__).parents[3] / "models" / "fer_s"
#: The configuration's default number of calibration images.
_CALIBRATION = 512


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(_MODEL)


@pytest.fixture(scope="module")
def faces(model: Model, fer_data: Path) -> Faces:
    faces = open_dataset(DatasetSpec(path=fer_data), "test", model.contract.labels, model.contract.input)
    assert len(faces) == 3546, "FER+ PrivateTest images with a majority among the eight classes"
    return faces


@pytest.fixture(scope="module")
def reference(model: Model, faces: Faces) -> Logits:
    logits = float_graph(model).logits(faces.pixels, "torch")
    assert logits.std(axis=0).max() > 0.5, "the model must be a trained one"
    return logits


@pytest.fixture(scope="module")
def quantized(model: Model, fer_data: Path) -> Graph:
    training = open_dataset(DatasetSpec(path=fer_data), "train", model.contract.labels, model.contract.input)
    return quantize_ptq(model, choose_calibration(training, _CALIBRATION))


def emulated(graph: Graph, faces: Faces, folder: Path, options: CoreMLOptions | None = None) -> Logits:
    target = CoreMLTarget(options)
    session = target.open(folder / target.lower(graph, folder).file, threads=1)
    assert session.emulation is not None
    return session.run_batch(faces.pixels.astype(np.float32))


def agreement(first: Logits, second: Logits) -> float:
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def test_fp32_differs_by_at_most_1e_4(model: Model, faces: Faces, reference: Logits, tmp_path: Path) -> None:
    assert np.abs(emulated(float_graph(model), faces, tmp_path) - reference).max() <= 1e-4


def test_fp16_agrees_on_998_of_1000(model: Model, faces: Faces, reference: Logits, tmp_path: Path) -> None:
    logits = emulated(float_graph(model, FP16), faces, tmp_path)
    assert 0 < np.abs(logits - reference).max() < 0.1
    assert agreement(logits, reference) >= 0.998


def test_w8_agrees_on_99_of_100(model: Model, faces: Faces, reference: Logits, tmp_path: Path) -> None:
    assert agreement(emulated(float_graph(model, W8), faces, tmp_path), reference) >= 0.99


def test_w8a8_agrees_with_the_quantized_graph_on_995_of_1000(
    quantized: Graph, faces: Faces, tmp_path: Path
) -> None:
    logits = emulated(quantized, faces, tmp_path)
    assert agreement(logits, quantized.logits(faces.pixels, "quantized graph")) >= 0.995


def test_w8a8_in_fp16_changes_the_top_class_only_where_the_two_highest_are_close(
    quantized: Graph, faces: Faces, tmp_path: Path
) -> None:
    """Logits have 256 values: two classes often share the highest or are a step or two apart."""
    assert quantized.scales is not None
    step = quantized.scales.activations[-1].scale
    reference = quantized.logits(faces.pixels, "quantized graph")
    logits = emulated(quantized, faces, tmp_path, CoreMLOptions(quantized_compute="fp16"))
    highest = np.sort(reference, axis=1)
    changed = logits.argmax(axis=1) != reference.argmax(axis=1)
    assert agreement(logits, reference) >= 0.99
    assert ((highest[:, -1] - highest[:, -2])[changed] <= 3.5 * step).all()


@pytest.mark.parametrize("change", ["mean and std left out", "mirrored rows"])
def test_wrong_preprocessing_is_seen(
    model: Model, faces: Faces, reference: Logits, tmp_path: Path, change: str
) -> None:
    few = faces.subset(np.arange(200), "first test images")
    if change == "mean and std left out":
        graph = Graph(model.network, model.contract, float_graph(model).recipe)
        wrong = emulated(graph, few, tmp_path)
    else:
        flipped = few.pixels[:, :, ::-1].copy()
        target = CoreMLTarget()
        session = target.open(tmp_path / target.lower(float_graph(model), tmp_path).file, threads=1)
        wrong = session.run_batch(flipped.astype(np.float32))
    assert np.abs(wrong - reference[:200]).max() > 0.5
