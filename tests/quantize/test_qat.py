"""Quantization-aware training: what is trained is what is converted, and PTQ is never silently beaten."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_deploy.data.faces import Faces
from fer_deploy.errors import TrainingError
from fer_deploy.quantize.canonical import Canonical
from fer_deploy.quantize.prepare import Prepared, prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.qat import quantize_qat, student_of, trained
from fer_deploy.quantize.recipe import (
    W8A8_PTQ,
    W8A8_QAT,
    CalibrationSet,
    PtqOptions,
    choose_calibration,
    parse_recipe,
)
from fer_deploy.train.distillation import Distiller, distillation_loss
from fer_deploy.train.recipe import DistillRecipe
from fixtures.outside import Outside

SHORT = DistillRecipe(epochs=2, images_per_epoch=96, batch_size=32)


pytestmark = pytest.mark.usefixtures("exported_once")


@pytest.fixture(scope="module")
def calibration(separable_calibration: CalibrationSet) -> CalibrationSet:
    return separable_calibration


@pytest.fixture(scope="module")
def prepared(separable_model: Outside, calibration: CalibrationSet, separable_form: Canonical) -> Prepared:
    return prepare(separable_model.model, calibration, PtqOptions(), separable_form)


def test_recipe_name_is_decodable() -> None:
    assert W8A8_QAT.name == "w8a8-qat"
    assert parse_recipe("w8a8-qat") == W8A8_QAT
    assert W8A8_QAT.quantized


def test_student_computes_what_its_conversion_computes(
    prepared: Prepared, calibration: CalibrationSet, separable_model: Outside
) -> None:
    student, parameters = student_of(prepared)
    graph = convert(trained(prepared, parameters), W8A8_QAT, calibration)
    assert graph.scales is not None
    pixels = separable_model.test.pixels
    with torch.no_grad():
        logits = student(torch.from_numpy(pixels.astype(np.float32))).numpy()
    distance = np.abs(logits - graph.logits(pixels, "int8"))
    # biases are put on their int32 grid in conversion only
    assert distance.max() <= 2 * graph.scales.activations[-1].scale
    assert (logits.argmax(1) == graph.logits(pixels, "int8").argmax(1)).mean() >= 0.99


def test_only_the_network_is_trained_and_ranges_never_move(
    prepared: Prepared, separable_model: Outside, tmp_path: Path
) -> None:
    student, parameters = student_of(prepared)
    assert not any(name.startswith("normalise") for name in parameters)
    buffers = {name: value.clone() for name, value in student.named_buffers()}
    weights = {name: value.detach().clone() for name, value in parameters.items()}
    Distiller(
        student, prepared.float_graph, parameters, separable_model.training, SHORT, tmp_path, "test"
    ).run()
    assert any(not torch.equal(value, weights[name]) for name, value in parameters.items())
    for name, value in student.named_buffers():
        assert torch.equal(value, buffers[name]), f"{name}: statistics and ranges are frozen"
    assert torch.equal(
        student.get_parameter("normalise.weight"), prepared.float_graph.get_parameter("normalise.weight")
    )


def test_training_brings_the_student_nearer_to_its_teacher(
    prepared: Prepared, separable_model: Outside, tmp_path: Path
) -> None:
    student, parameters = student_of(prepared)
    with torch.no_grad():  # a student that has something to learn
        for value in parameters.values():
            value.mul_(1 + 0.15 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    recipe = DistillRecipe(epochs=3, images_per_epoch=320, batch_size=32, learning_rate=1e-3)
    log = Distiller(
        student, prepared.float_graph, parameters, separable_model.training, recipe, tmp_path, "test"
    ).run()
    assert log[-1][2] < 0.5 * log[0][2]


def run_of(
    separable_model: Outside, calibration: CalibrationSet, folder: Path, recipe: DistillRecipe = SHORT
) -> object:
    return quantize_qat(
        separable_model.model, calibration, separable_model.training, separable_model.test, folder, recipe
    )


def test_a_run_is_deterministic_and_resumes_where_it_was_cut(
    separable_model: Outside, prepared: Prepared, tmp_path: Path
) -> None:
    def weights(folder: Path, stop_after: int | None) -> dict[str, torch.Tensor]:
        student, parameters = student_of(prepared)
        run = Distiller(
            student, prepared.float_graph, parameters, separable_model.training, SHORT, folder, "same"
        )
        if stop_after is not None:
            save = run._save

            def save_and_stop() -> None:
                save()
                if run.epoch == stop_after:
                    raise KeyboardInterrupt

            run._save = save_and_stop  # type: ignore[method-assign]
            with pytest.raises(KeyboardInterrupt):
                run.run()
            return weights(folder, None)
        run.run()
        return {name: value.detach().clone() for name, value in parameters.items()}

    whole, again = weights(tmp_path / "a", None), weights(tmp_path / "b", None)
    resumed = weights(tmp_path / "c", 1)
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
        assert torch.equal(value, resumed[name]), name


def test_checkpoint_of_another_run_is_refused(
    separable_model: Outside, calibration: CalibrationSet, tmp_path: Path
) -> None:
    short = SHORT.model_copy(update={"epochs": 1, "images_per_epoch": 32})
    run_of(separable_model, calibration, tmp_path, short)
    other = choose_calibration(separable_model.training, 64, seed=1)
    with pytest.raises(TrainingError, match="another"):
        run_of(separable_model, other, tmp_path, short)


def test_the_better_graph_is_returned_and_says_which(
    prepared: Prepared, separable_model: Outside, calibration: CalibrationSet, tmp_path: Path
) -> None:
    # A learning rate that ruins the network: PTQ has to win, and the graph has to say so.
    ruin = SHORT.model_copy(update={"learning_rate": 3.0})
    result = quantize_qat(
        separable_model.model, calibration, separable_model.training, separable_model.test, tmp_path, ruin
    )
    assert result.kept == "ptq"
    assert result.qat.agreement < result.ptq.agreement
    assert result.graph.recipe == W8A8_QAT
    assert result.graph.note is not None
    assert result.graph.note.startswith("PTQ was kept by accuracy")
    plain = convert(prepared, W8A8_PTQ, calibration)
    assert result.graph.scales == plain.scales


def test_validation_decides_not_the_test_split(
    separable_model: Outside, calibration: CalibrationSet, tmp_path: Path
) -> None:
    faces: Faces = dataclasses.replace(separable_model.test, name="the validation faces")
    result = quantize_qat(
        separable_model.model, calibration, separable_model.training, faces, tmp_path, SHORT
    )
    assert "on the validation faces" in result.reason
    reference = float_graph(separable_model.model).logits(faces.pixels, "float").argmax(1)
    kept = result.graph.logits(faces.pixels, "int8").argmax(1)
    agreement = float((kept == reference).mean())
    assert agreement == (result.qat if result.kept == "qat" else result.ptq).agreement
    assert agreement >= 0.98


def test_distillation_loss_is_zero_for_equal_answers_only() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.25, 3.0]])
    assert float(distillation_loss(logits, logits + 7.0, 4.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(distillation_loss(logits, logits.flip(1), 4.0)) > 0.1
