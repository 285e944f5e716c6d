"""The commands as Python functions, for notebooks: they do what ``fer-deploy export``, ``compare``, ... do.

Nothing is printed on standard output; progress goes to standard error. ``docs/api.md`` shows all of them at work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

from fer_deploy.data.faces import Faces
from fer_deploy.data.pictures import Picture
from fer_deploy.data.preprocess import Box
from fer_deploy.data.registry import at_hand, open_dataset
from fer_deploy.errors import ArgumentError, OutputError
from fer_deploy.files import alone_in, as_path
from fer_deploy.gate.budget import Budget, given_limits
from fer_deploy.gate.limits import Acceptable
from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.comparison import PART_BELOW_DB, Comparison
from fer_deploy.model import Model
from fer_deploy.names import meant_or_known
from fer_deploy.pipeline.check import check_report, default_report, reference_beside, written_report
from fer_deploy.pipeline.compare import compare_subjects, require_same_images
from fer_deploy.pipeline.config import CONFIG_FILE, Config, load_config
from fer_deploy.pipeline.exports import export_one
from fer_deploy.pipeline.given import (
    FacesLike,
    ModelLike,
    SubjectLike,
    given_calibration,
    given_faces,
    given_model,
    given_subject,
)
from fer_deploy.pipeline.overrides import optional_config, overridden_config
from fer_deploy.pipeline.run import Run
from fer_deploy.progress import say
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.report.schema import Report
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.prediction import Prediction
from fer_deploy.views.write import write_check

PathLike: TypeAlias = "str | os.PathLike[str]"
ConfigLike: TypeAlias = "Config | str | os.PathLike[str]"


def export(
    model: ModelLike,
    target: str = "onnx",
    recipe: str = "w8a8-ptq",
    calibration: FacesLike | None = None,
    *,
    output: PathLike | None = None,
    config: ConfigLike | None = None,
) -> Artifact:
    """Lower a model to one target under one recipe, as ``fer-deploy export`` does, and return the artifact.

    Args:
        model: a Model, a zoo folder, a .pt2 or package.module:factory.
        target: ``executorch``, ``onnx`` or ``coreml``.
        recipe: ``float``, ``fp16``, ``w8``, ``w8a8-ptq`` or ``w8a8-qat``.
        calibration: what activation ranges are observed on: Faces, a folder of images, or a uint8 array (N, H, W),
            (N, C, H, W) or (N, H, W, 3). None for the configured data set's training split. As many as the
            configuration says, 512 without one, are drawn, balanced over the classes.
        output: the artifact becomes ``<output>/<target>-<recipe>``; None for a temporary folder, which goes when the
            artifact does.
        config: data set and options; None for fer-deploy.toml, if there is one. Its model is not looked at.

    Raises:
        ArgumentError: an argument is of a wrong type.
        FerDeployError: model or images are unusable, or the artifact could not be made; the message says why.
    """
    loaded = given_model(model)
    folder = None if output is None else as_path(output, "output")
    _require_text(target=target, recipe=recipe)
    chosen = _config_of(config, loaded)
    asked = {"targets": (target,), "recipes": (parse_recipe(recipe).name,)}
    chosen = chosen.model_copy(update={"export": chosen.export.model_copy(update=asked)})
    drawn = None if calibration is None else given_calibration(calibration, loaded, chosen.quantize)
    return export_one(loaded, chosen, folder, drawn)


def predict(subject: SubjectLike, image: Picture, box: Box | None = None) -> Prediction:
    """Return what a model or an artifact says of one picture, as ``fer-deploy predict`` does.

    Args:
        subject: a Model, an Artifact or the path of one.
        image: a path, a PIL image, or a uint8 array (H, W) or (H, W, 3); prepared as the contract says.
        box: the face in it, left, top, right, bottom in pixels; None where the picture is the crop.

    Raises:
        ArgumentError: an argument is of a wrong type.
        FerDeployError: one of them is missing or damaged, or this machine cannot run the artifact.
    """
    return given_subject(subject, "subject").predict(image, box)


def compare(
    first: SubjectLike,
    second: SubjectLike,
    faces: Faces | PathLike | None = None,
    *,
    images: int | None = None,
    part_below_db: float = PART_BELOW_DB,
    config: ConfigLike | None = None,
) -> Comparison:
    """Return how ``second`` differs from ``first`` on the same images, as ``fer-deploy compare`` does.

    Args:
        first: a Model, an Artifact or the path of one; the reference.
        second: the same kinds.
        faces: Faces, or a folder with a sub-folder for each class; None for the configured data set's test split.
        images: compare on this many of them only, the first ones.
        part_below_db: SQNR below which a layer counts as parted, dB.
        config: names the data set; None for fer-deploy.toml, if there is one, else FER+ in ``$FER_DATA``,
            where there is none faces drawn by code.

    Raises:
        ArgumentError: an argument is of a wrong type.
        ConfigError: the two have different labels or read different images.
        FerDeployError: one of them or the images are unusable, or an artifact cannot run on this machine.
    """
    ours, theirs = given_subject(first, "first"), given_subject(second, "second")
    require_same_images(ours, theirs)
    if images is not None and (isinstance(images, bool) or not isinstance(images, int) or images < 1):
        raise ArgumentError(f"images is a number from 1, got {images}")
    contract = ours.contract
    if faces is not None:
        found = given_faces(faces, contract)
    else:
        data = at_hand(_config_of(config, None).data)
        found = open_dataset(data, "test", contract.labels, contract.input)
    return compare_subjects(ours, theirs, found, images, part_below_db)


def run(
    config: ConfigLike | None = None, command: str | None = None, fresh: bool = False, **overrides: Any
) -> Report:
    """Do the whole job, as ``fer-deploy run`` does: artifacts, report.json, report.md and report.html are written.

    Args:
        config: a fer-deploy.toml, or a Config; None for fer-deploy.toml in the working folder.
        command: printed in the report; None for this call.
        fresh: reuse nothing of an earlier run.
        overrides: lie over the file, as the command's flags do: ``model``, ``contract``, ``weights``, ``dataset``,
            ``data``, ``targets``, ``recipes``, ``output``, ``calibration_images``, ``devices``, ``threads``.

    Returns:
        The report; its ``missing`` names what could not be made.

    Raises:
        ArgumentError: an argument is of a wrong type, or there is no such override.
        FerDeployError: an input is unusable, or no target takes the model.
    """
    if isinstance(config, Config):
        if overrides:
            raise ArgumentError(
                "overrides lie over a file; change the Config itself, or give the path of a file"
            )
        chosen, named = config, "config"
    else:
        path = None if config is None else as_path(config, "config, unless it is a Config,")
        chosen, named = overridden_config(path, **overrides), "" if path is None else f'"{path}"'
    said = ", ".join(
        part for part in (named, *(f"{key}={value!r}" for key, value in overrides.items())) if part
    )
    return Run(chosen, f"fer_deploy.run({said})" if command is None else command, fresh).report()


def check(
    report: Report | PathLike | None = None,
    *,
    config: ConfigLike | None = None,
    accept: str | Sequence[str] = (),
    reference: PathLike | None = None,
    recompute: bool = False,
    write: bool = True,
    **limits: float | None,
) -> Check:
    """Hold a report to a budget, as ``fer-deploy check`` does, and return the verdicts.

    Args:
        report: a Report as :func:`run` returned it, or a report.json with its artifacts beside it; None for the one
            that the configuration's run wrote.
        config: its budget holds unless a limit overrides it; None for fer-deploy.toml, if there is one.
        accept: provenances with which a figure may pass beside measured: ``emulated``, ``estimated``.
        reference: a committed reference to compare with; None for the one beside the configuration, if there is one.
        recompute: run the artifacts again on a part of the test images.
        write: write check.json beside the report, and the verdicts into report.md and report.html.
        limits: a number, by its name in ``[budget]`` and in its unit there; False lifts one.

    Raises:
        ArgumentError: an argument is of a wrong type, or there is no such limit.
        ArtifactError: the report cannot be read, or its file is no longer there.
        ConfigError: there is nothing to hold it to, or a line of the budget is about nothing.
    """
    budget_limits, accepted = given_limits(limits), _accepted(accept)
    file = None if config is None or isinstance(config, Config) else as_path(config, "config")
    chosen = config if isinstance(config, Config) else optional_config(file, needed=report is None)
    path = _report_path(report, chosen)
    budget = (chosen.budget if chosen else Budget()).overridden(budget_limits, accepted)
    before = as_path(reference, "reference") if reference is not None else reference_beside(file)
    judged, found = check_report(path, chosen, budget, before, again=recompute)
    if write:
        try:
            with alone_in(path.parent):
                write_check(judged, found, path.parent)
        except OutputError as error:  # the verdict stands
            say(f"warning: {error}")
    return found


def _report_path(report: Report | PathLike | None, config: Config | None) -> Path:
    if isinstance(report, Report):
        return written_report(report)
    if report is not None:
        return as_path(report, "report, unless it is a Report,")
    assert config is not None
    return default_report(config)


def _accepted(accept: str | Sequence[str]) -> tuple[str, ...]:
    several = (accept,) if isinstance(accept, str) else tuple(accept)
    for one in several:
        if one not in (known := get_args(Acceptable)):
            raise ArgumentError(
                f"there is no provenance '{one}' to accept; {meant_or_known(str(one), known)}"
            )
    return several


def _config_of(config: ConfigLike | None, model: Model | None) -> Config:
    """Return the configuration, of which the model is not looked at; without a file, all of it by default."""
    if isinstance(config, Config):
        return config
    path = None if config is None else as_path(config, "config, unless it is a Config,")
    named = CONFIG_FILE if model is None else model.source
    return load_config(path, {"model": {"path": named}}, replace=("model",))


def _require_text(**named: object) -> None:
    for name, value in named.items():
        if not isinstance(value, str):
            raise ArgumentError(f"{name} is a name, got {type(value).__name__}")
