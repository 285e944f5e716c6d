"""The artifacts of a plan in one folder; the command and Python share it (``tests/test_api.py``)."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.model import Model
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import Exported, plan_exports
from fer_deploy.pipeline.exports import export_plan
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.report.schema import MissingArtifact
from fixtures.synthetic import separable_faces


def test_what_cannot_be_made_takes_no_other_with_it(trained_model: Model, tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "model": {"path": trained_model.source},
            "data": {"kind": "folder", "path": str(tmp_path / "none")},
            "quantize": {"ptq": {"float_layers": ["no such layer"]}},
        }
    )
    plan = plan_exports(("onnx",), ("w8a8-ptq", "float"))
    calibration = choose_calibration(separable_faces(32, 3), 16)
    missing, made = export_plan(trained_model, plan, config, tmp_path / "out", calibration)
    assert isinstance(missing, MissingArtifact)
    assert "no such layer" in missing.reason
    assert isinstance(made, Exported)
    assert made.artifact.folder == tmp_path / "out" / "onnx-float"
