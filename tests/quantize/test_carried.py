"""A model carries its calibration: what is made without the images is what they would have given."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import ConfigError, QuantizationError
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.calibrate import calibrate
from fer_deploy.pipeline.config import ExportSection, QuantizeSection
from fer_deploy.pipeline.export import (
    NOT_FOR_SHIPPING,
    Exported,
    Graphs,
    Plan,
    doubts,
    draw_calibration,
    write_artifact_of,
)
from fer_deploy.quantize.carried import rounding_of, take_ranges, take_rounding
from fer_deploy.quantize.prepare import Prepared, prepare
from fer_deploy.quantize.ptq import nearest_integers
from fer_deploy.quantize.recipe import (
    CARRIED_FILE,
    CalibrationSet,
    CarriedCalibration,
    CarriedRounding,
    PtqOptions,
)

SECTION = QuantizeSection(calibration_images=64)
PAIR = ("onnx", "w8a8-ptq")
PLAN = Plan((PAIR,), ())
SAMPLE = DatasetSpec(kind="sample")


@pytest.fixture(scope="module")
def folder(model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny net with its calibration beside it."""
    made = Path(shutil.copytree(model_folder, tmp_path_factory.mktemp("carried") / "edges"))
    file, kept = calibrate(made, DatasetSpec(kind="folder", path=faces_folder), SECTION)
    assert file == made / CARRIED_FILE
    assert (len(kept.rows), sum(kept.per_class.values())) == (64, 64)
    return made


def drawn(model: Model, data: DatasetSpec, section: QuantizeSection = SECTION) -> CalibrationSet:
    found = draw_calibration(model, PLAN, data, section)
    assert found is not None
    return found


def exported(model: Model, calibration: CalibrationSet, output: Path) -> Exported:
    graphs = Graphs(model, calibration, SECTION, SAMPLE)
    made = write_artifact_of(model, PAIR, graphs, calibration, ExportSection(output=output))
    assert isinstance(made, Exported)
    return made


def test_the_same_bytes_as_with_the_images(folder: Path, faces_folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    with_images = drawn(model, DatasetSpec(kind="folder", path=faces_folder))
    without = drawn(model, SAMPLE)
    assert with_images.carried is None
    assert without.carried is not None
    first, second = (
        exported(model, calibration, tmp_path / name).artifact
        for name, calibration in (("with", with_images), ("without", without))
    )
    assert first.file.read_bytes() == second.file.read_bytes()
    assert (first.folder / "golden.json").read_bytes() == (second.folder / "golden.json").read_bytes()
    ours, theirs = first.info.calibration, second.info.calibration
    assert ours is not None
    assert theirs is not None
    assert (theirs.carried, theirs.drawn) == (True, False)
    assert (theirs.dataset, theirs.rows, theirs.seed) == (ours.dataset, ours.rows, ours.seed)
    assert NOT_FOR_SHIPPING not in doubts(second)
    assert any("drawn" in line for line in doubts(second)), "the proof was made on drawn faces, and says so"


@pytest.mark.parametrize(
    ("section", "other"),
    [
        (SECTION.model_copy(update={"seed": 1}), "seed"),
        (SECTION.model_copy(update={"calibration_images": 32}), "number of images"),
        (SECTION.model_copy(update={"ptq": PtqOptions(observer="min-max")}), "options"),
    ],
)
def test_ranges_that_do_not_hold_are_not_used(
    folder: Path, section: QuantizeSection, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = drawn(load_model(folder), SAMPLE, section)
    assert (found.carried, found.drawn) == (None, True)
    said = " ".join(capsys.readouterr().err.split())
    assert f"{CARRIED_FILE} is for other {other}: ranges come from faces drawn by code" in said


def test_ranges_of_other_weights_are_not_used(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "edges"))
    file = moved / CARRIED_FILE
    file.write_text(file.read_text().replace(load_model(moved).weights_sha256, 64 * "0"))
    assert drawn(load_model(moved), SAMPLE).drawn


def test_what_is_calibrated_on_drawn_faces_is_not_for_shipping(trained_model: Model, tmp_path: Path) -> None:
    made = exported(trained_model, drawn(trained_model, SAMPLE), tmp_path)
    assert made.artifact.info.calibration is not None
    assert made.artifact.info.calibration.drawn
    assert NOT_FOR_SHIPPING in doubts(made.artifact)


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "edges"))
    (broken / CARRIED_FILE).write_text('{"seed": "?"}')
    with pytest.raises(
        QuantizationError, match=r"calibration\.json cannot be read: .* `fer-deploy calibrate`"
    ):
        drawn(load_model(broken), SAMPLE)


def test_ranges_of_another_graph_are_refused(folder: Path) -> None:
    kept = CarriedCalibration.model_validate_json((folder / CARRIED_FILE).read_bytes())
    other = torch.fx.symbolic_trace(torch.nn.ReLU())
    with pytest.raises(QuantizationError, match="is of another graph"):
        take_ranges(other, kept.ranges)


def test_drawn_faces_give_no_ranges_to_keep(folder: Path) -> None:
    with pytest.raises(ConfigError, match="drawn by code are not for shipping"):
        calibrate(folder, SAMPLE, SECTION)
    with pytest.raises(ConfigError, match=r"is no model folder: it has no model\.toml"):
        calibrate(folder.parent, SAMPLE, SECTION)


@pytest.fixture(scope="module")
def on_its_way(folder: Path) -> tuple[CarriedCalibration, Prepared]:
    """What the model carries, and the model as far as its nearest integers."""
    model = load_model(folder)
    calibration = drawn(model, SAMPLE)
    assert calibration.carried is not None
    return calibration.carried, prepare(model, calibration, SECTION.ptq)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.model_copy(update={"layer": "network.elsewhere"}),
        lambda one: one.model_copy(update={"steps": one.steps[: len(one.steps) // 2]}),
        lambda one: one.model_copy(
            update={"steps": rounding_of({one.layer: torch.zeros(2, dtype=torch.int8)})[0].steps}
        ),
    ],
    ids=["another layer", "cut short", "another shape"],
)
def test_rounding_of_another_graph_is_refused(
    on_its_way: tuple[CarriedCalibration, Prepared], spoil: Callable[[CarriedRounding], CarriedRounding]
) -> None:
    carried, prepared = on_its_way
    first, *rest = carried.rounding
    with pytest.raises(
        QuantizationError, match=r"rounding of \S+ .* another graph; .* `fer-deploy calibrate`"
    ):
        take_rounding(nearest_integers(prepared), (spoil(first), *rest))


def test_an_older_file_is_made_again(folder: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "edges"))
    file = older / CARRIED_FILE
    file.write_text(file.read_text().replace('"schema_version": "2.0"', '"schema_version": "1.0"'))
    with pytest.raises(QuantizationError, match=r"schema_version.* `fer-deploy calibrate`"):
        drawn(load_model(older), SAMPLE)
