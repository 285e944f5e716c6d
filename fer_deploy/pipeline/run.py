"""``fer-deploy run``: model and data in; artifacts, figures and one report out."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.profile import DeviceProfile, load_profile
from fer_deploy.errors import TargetError
from fer_deploy.files import require_writable_folder
from fer_deploy.measure.emulation import as_emulated
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.inference import Inference, infer
from fer_deploy.measure.latency import runtime_figures
from fer_deploy.measure.measurement import Unit, measured
from fer_deploy.measure.parity import (
    accuracy_figures,
    missing_accuracy,
    missing_parity,
    parity_figures,
    require_spread,
    target_parity,
)
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import (
    Exported,
    Plan,
    build_graphs,
    calibration_for,
    plan_exports,
    write_artifacts,
)
from fer_deploy.pipeline.summaries import (
    calibration_summary,
    dataset_summary,
    delegation_figures,
    model_summary,
)
from fer_deploy.progress import say
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.fit import check_fit
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.report.schema import (
    ArtifactReport,
    DeviceReport,
    Report,
    TargetParity,
)
from fer_deploy.targets.artifact import tool_versions
from fer_deploy.targets.registry import get_target

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """What a run works on, all of it checked before anything is written."""

    model: Model
    plan: Plan
    test: Faces
    calibration: CalibrationSet | None
    devices: tuple[DeviceProfile, ...]


def load_inputs(config: Config) -> Inputs:
    """Return the run's inputs.

    Raises:
        FerDeployError: a model, dataset, target, recipe, device or the output folder is missing or unusable.
    """
    devices = tuple(load_profile(name) for name in config.profile.devices)
    plan = plan_exports(config.export.targets, config.export.recipes)
    model = load_model(config.model.path, config.model.contract, config.model.weights)
    require_writable_folder(config.export.output)
    labels, spec = model.contract.labels, model.contract.input
    test = open_dataset(config.data, "test", labels, spec)
    calibration = None
    if plan.quantized:
        training = open_dataset(config.data, "train", labels, spec)
        calibration = calibration_for(training, config.quantize.calibration_images, config.quantize.seed)
    return Inputs(model, plan, test, calibration, devices)


def run(config: Config, command: str) -> Report:
    """Export every artifact of the plan, measure it, and return the report; ``command`` is printed in it.

    Raises:
        FerDeployError: an input is unusable, or a target refuses the model.
    """
    inputs = load_inputs(config)
    model, test = inputs.model, inputs.test
    plain = float_graph(model)
    reference = plain.logits(test.pixels, "evaluating the float model")
    require_spread(reference, model.source)
    if inputs.calibration is not None:
        check_fit(model, inputs.calibration.faces)
    say("building the graphs")
    graphs = build_graphs(model, inputs.plan.recipes, inputs.calibration, config.quantize, config.data)
    exported = list(write_artifacts(model, inputs.plan, graphs, inputs.calibration, config.export.output))
    answers = {one.artifact.key: _host_logits(one, test) for one in exported}
    devices = tuple(
        DeviceReport(
            name=device.name,
            market_name=device.market_name,
            soc=device.soc,
            os=device.os,
            transport=device.transport,
            figures=tuple(_time(one, device, config) for one in exported),
        )
        for device in inputs.devices
    )
    return Report(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        versions=tool_versions(),
        model=model_summary(model, plain),
        dataset=dataset_summary(test),
        calibration=calibration_summary(inputs.calibration, config.quantize.ptq.observer),
        float_accuracy=accuracy_figures(reference, test),
        artifacts=tuple(
            _artifact_report(one, reference, answers[one.artifact.key], test) for one in exported
        ),
        between_targets=_between_targets(exported, answers),
        devices=devices,
        warnings=_warnings(inputs, exported),
    )


def _host_logits(one: Exported, test: Faces) -> Inference | str:
    """Return the artifact's answers to the test images, or why this machine cannot give them."""
    obstacle = get_target(one.artifact.info.target).host_obstacle()
    if obstacle is not None:
        return obstacle
    try:
        return infer(one.artifact, test.pixels)
    except TargetError as error:  # an emulation that lacks an operation
        return str(error)


def _time(one: Exported, device: DeviceProfile, config: Config) -> RuntimeFigures:
    say(f"timing {one.artifact.key} on {device.market_name}")
    return runtime_figures(one.artifact, device, config.profile.timing)


def _artifact_report(
    one: Exported, reference: Logits, answers: Inference | str, test: Faces
) -> ArtifactReport:
    info = one.artifact.info
    if isinstance(answers, str):
        accuracy, parity = missing_accuracy(test, answers), missing_parity(answers)
    else:
        accuracy = as_emulated(accuracy_figures(answers.logits, test), answers.emulation)
        parity = as_emulated(parity_figures(reference, answers.logits, test), answers.emulation)
    return ArtifactReport(
        target=info.target,
        recipe=info.recipe,
        path=str(one.artifact.folder),
        file=info.file,
        sha256=info.sha256,
        size=measured(info.size_bytes, Unit.BYTES, conditions={"of": info.file}),
        delegation=delegation_figures(one.delegation),
        accuracy=accuracy,
        parity=parity,
    )


def _between_targets(
    exported: list[Exported], answers: dict[str, Inference | str]
) -> tuple[TargetParity, ...]:
    pairs = []
    for index, first in enumerate(exported):
        for second in exported[index + 1 :]:
            ours, theirs = answers[first.artifact.key], answers[second.artifact.key]
            recipe = first.artifact.info.recipe
            if recipe != second.artifact.info.recipe or isinstance(ours, str) or isinstance(theirs, str):
                continue
            names = (first.artifact.info.target, second.artifact.info.target)
            parity = target_parity(recipe, *names, (ours.logits, theirs.logits))
            pairs.append(as_emulated(parity, ours.emulation or theirs.emulation))
    return tuple(pairs)


def _warnings(inputs: Inputs, exported: list[Exported]) -> tuple[str, ...]:
    found = [
        f"{target} has no recipe {recipe}: that artifact was not written"
        for target, recipe in inputs.plan.impossible
    ]
    for one in exported:
        said = one.delegation.warning()
        if said is not None:
            found.append(f"{one.artifact.key}: {said}")
        if one.artifact.info.note is not None:
            found.append(f"{one.artifact.key}: {one.artifact.info.note}")
    if inputs.calibration is not None:
        empty = [label for label, count in inputs.calibration.per_class.items() if count == 0]
        if empty:
            found.append(f"the calibration set has no image of {', '.join(empty)}")
    return tuple(found)


def report_folder(config: Config, report: Report) -> Path:
    """Return the folder that holds the report: that of the model's artifacts."""
    return config.export.output / report.model.name
