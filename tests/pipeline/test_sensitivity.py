"""The layers of a model on disk, one by one, on a dataset on disk; an artifact is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import ConfigError
from fer_deploy.pipeline.sensitivity import analyse
from fer_deploy.quantize.recipe import PtqOptions
from fer_deploy.targets.artifact import INFO_FILE


def test_every_layer_has_a_row_in_graph_order(model_folder: Path, faces_folder: Path) -> None:
    dataset = DatasetSpec(kind="folder", path=faces_folder)
    report = analyse(str(model_folder), None, None, dataset, 12, 16, PtqOptions(), None)
    assert (report.images, report.calibration_images) == (12, 16)
    names = [row.layer for row in report.layers]
    assert names[0] == "normalise"
    assert len(names) == len(set(names)) > 5
    assert report.layers[0].sqnr_db is None, (
        "nothing changes where whole pixels are normalised: no ratio, no infinity"
    )
    assert all(row.sqnr_db is not None for row in report.layers[1:])
    assert report.float_layers is None, "without a budget nothing is searched"
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_an_artifact_is_refused(tmp_path: Path) -> None:
    (tmp_path / INFO_FILE).touch()
    with pytest.raises(ConfigError, match=r"is an artifact.*name the model that it was made from"):
        analyse(str(tmp_path), None, None, DatasetSpec(), 1, 1, PtqOptions(), None)
