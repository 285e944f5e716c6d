"""``fer-deploy export``: the artifacts of a plan written into one folder; one of them for a Python caller."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from fer_deploy.data.registry import at_hand
from fer_deploy.errors import TargetError
from fer_deploy.files import require_writable_folder
from fer_deploy.model import Model
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import (
    Exported,
    Graphs,
    Plan,
    draw_calibration,
    plan_exports,
    write_artifact_of,
)
from fer_deploy.pipeline.store import only_run
from fer_deploy.quantize.recipe import CalibrationSet
from fer_deploy.report.schema import MissingArtifact
from fer_deploy.targets.artifact import Artifact


def export_plan(
    model: Model,
    plan: Plan,
    config: Config,
    folder: Path,
    calibration: CalibrationSet | None = None,
) -> list[Exported | MissingArtifact]:
    """Write ``folder/<target>-<recipe>/`` for every pair of a plan, and return them, and what could not be made.

    Args:
        model: what is lowered.
        plan: target and recipe of each artifact.
        config: how; its model is not looked at.
        folder: where the artifacts go.
        calibration: sets the activation ranges; None to draw one from the configured data set's training split.

    Raises:
        OutputError: the folder cannot be written, or another process writes to it.
        ModelError: the model itself is at fault, so that no target can be lowered.
        DataError: the data set is missing, malformed or has other labels than the model.
    """
    require_writable_folder(folder)
    config = config.model_copy(update={"data": at_hand(config.data)})
    if calibration is None:
        config = config.model_copy(update={"data": at_hand(config.data)})
        calibration = draw_calibration(model, plan, config.data, config.quantize)
    graphs = Graphs(model, calibration, config.quantize, config.data)
    with only_run(folder):
        return [
            write_artifact_of(model, pair, graphs, calibration, config.export, folder) for pair in plan.pairs
        ]


def export_one(
    model: Model,
    config: Config,
    folder: Path | None = None,
    calibration: CalibrationSet | None = None,
) -> Artifact:
    """Return the artifact of a configuration's one target and recipe, written as :func:`export_plan` does.

    Args:
        model, config, calibration: as :func:`export_plan`.
        folder: where it goes, as ``<target>-<recipe>``; None for a temporary folder that lives as long as what is
            returned.

    Raises:
        TargetError: it could not be made; the message says why. Other errors as :func:`export_plan`.
    """
    plan = plan_exports(config.export.targets, config.export.recipes)
    root = folder or Path(tempfile.mkdtemp(prefix="fer-deploy-"))
    kept = folder is not None
    try:
        (made,) = export_plan(model, plan, config, root, calibration)
        if isinstance(made, MissingArtifact):
            raise TargetError(made.reason)
        if not kept:
            weakref.finalize(made.artifact, shutil.rmtree, root, ignore_errors=True)
            kept = True
        return made.artifact
    finally:
        if not kept:
            shutil.rmtree(root, ignore_errors=True)
