"""``fer-deploy run``: model and data in; artifacts, figures and one report out."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.profile import DeviceProfile, resolve
from fer_deploy.errors import ProofError, QuantizationError, TargetError
from fer_deploy.files import require_writable_folder
from fer_deploy.measure.diagnosis import explain_float_model
from fer_deploy.measure.inference import Inference, infer
from fer_deploy.measure.latency import all_runtime_figures
from fer_deploy.measure.layer_times import with_layer_times
from fer_deploy.measure.parity import accuracy_figures, require_spread
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.artifact_report import artifact_report, between_targets, run_warnings
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import (
    Exported,
    Graphs,
    Plan,
    draw_calibration,
    plan_exports,
    write_artifact_of,
)
from fer_deploy.pipeline.layer_noise import LayerComparer
from fer_deploy.pipeline.stages import Stages
from fer_deploy.pipeline.store import Store, digest, only_run
from fer_deploy.pipeline.summaries import calibration_summary, dataset_summary, faces_digest, model_summary
from fer_deploy.progress import say
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.fit import check_fit
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.report.schema import (
    DatasetSummary,
    DeviceReport,
    MissingArtifact,
    Report,
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
    resolved = [resolve(name) for name in config.profile.devices]
    for one in resolved:
        if one.notice is not None:
            say(one.notice)
    plan = plan_exports(config.export.targets, config.export.recipes)
    model = load_model(config.model.path, config.model.contract, config.model.weights)
    require_writable_folder(config.export.output)
    labels, spec = model.contract.labels, model.contract.input
    test = open_dataset(config.data, "test", labels, spec)
    calibration = draw_calibration(model, plan, config.data, config.quantize)
    return Inputs(model, plan, test, calibration, tuple(one.profile for one in resolved))


def run(config: Config, command: str, fresh: bool = False, stages: Stages | None = None) -> Report:
    """Export every artifact of the plan, measure it, and return the report.

    What an earlier run completed from the same inputs is taken over, and the report says what; see
    :mod:`fer_deploy.pipeline.store`.

    Args:
        config: what to do.
        command: printed in the report.
        fresh: take nothing over.
        stages: where to note how long each stage takes.

    Raises:
        FerDeployError: an input is unusable, or no target takes the model.
    """
    stages = stages or Stages()
    with stages.stage("loading model and data"):
        inputs = load_inputs(config)
    with only_run(config.export.output / inputs.model.name):
        return _run(config, inputs, command, Store(config.export.output / inputs.model.name, fresh), stages)


def _run(config: Config, inputs: Inputs, command: str, store: Store, stages: Stages) -> Report:
    model, test = inputs.model, inputs.test
    plain = float_graph(model)
    dataset = dataset_summary(test)
    with stages.stage("evaluating the float model"):
        reference = _reference(inputs, plain, dataset, store)
        require_spread(reference, model.source)
        if inputs.calibration is not None:
            check_fit(model, inputs.calibration.faces)
    graphs = Graphs(model, inputs.calibration, config.quantize, config.data)
    exported, missing = _export(config, inputs, store, stages, graphs)
    answers = {}
    for one in exported:
        with stages.stage(f"evaluating {one.artifact.key}"):
            answers[one.artifact.key] = _host_logits(one, test, dataset, store)
    with stages.stage("comparing layers"):
        comparer = LayerComparer(
            lambda: graphs.of("float"), model.fixed_batch, test, dataset.sha256, store, _is_data(model)
        )
        shared = comparer.graphs(
            inputs.plan.recipes, graphs.of, lambda recipe: _made_from(inputs, config, None, recipe)
        )
        noise = {one.artifact.key: comparer.artifact(one) for one in exported}
    devices = [_device_report(exported, device, config, store, comparer, stages) for device in inputs.devices]
    with stages.stage("figures"):
        return Report(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=command,
            versions=tool_versions(),
            model=model_summary(model, plain),
            dataset=dataset,
            calibration=calibration_summary(inputs.calibration, config.quantize.ptq.observer),
            float_accuracy=accuracy_figures(reference, test),
            graphs=shared,
            artifacts=tuple(
                artifact_report(
                    one, reference, answers[one.artifact.key], test, plain, noise[one.artifact.key]
                )
                for one in exported
            ),
            between_targets=between_targets(exported, answers),
            devices=tuple(devices),
            warnings=run_warnings(inputs.plan, inputs.calibration, exported, missing),
            missing=tuple(missing),
            diagnosis=explain_float_model(plain, test),
            reused=tuple(store.reused),
        )


def _reference(inputs: Inputs, plain: Graph, dataset: DatasetSummary, store: Store) -> Logits:
    """Return the float model's logits on the test images."""
    model = inputs.model
    made_from = digest(weights=model.weights_sha256, contract=model.contract.sha256, images=dataset.sha256)
    kept = store.answers("float-model", made_from) if _is_data(model) else None
    if kept is not None:
        return kept.logits
    logits = plain.logits(inputs.test.pixels, "evaluating the float model")
    store.keep_answers("float-model", Inference(logits, None), made_from)
    return logits


def _is_data(model: Model) -> bool:
    """Return whether the model is files alone; a factory is code, which may change while its weights do not."""
    return ":" not in model.source


def _export(
    config: Config, inputs: Inputs, store: Store, stages: Stages, graphs: Graphs
) -> tuple[list[Exported], list[MissingArtifact]]:
    """Return the artifacts of the plan, and those that could not be made; a graph is built for what is not there yet.

    Raises:
        TargetError: none could be made.
    """
    model, output = inputs.model, config.export.output
    made_from = {pair: _made_from(inputs, config, *pair) for pair in inputs.plan.pairs}
    found: dict[tuple[str, str], Exported] = {}
    for pair in inputs.plan.pairs if _is_data(model) else ():
        kept = store.artifact(output / model.name / "-".join(pair), made_from[pair])
        if kept is not None:
            found[pair] = Exported(*kept)
    left = Plan(tuple(pair for pair in inputs.plan.pairs if pair not in found), inputs.plan.impossible)
    with stages.stage("building the graphs"):
        if left.pairs:
            say("building the graphs")
        for recipe in left.recipes:
            # said where an artifact of it is asked for
            with contextlib.suppress(QuantizationError, ProofError):
                graphs.of(recipe)
    missing: list[MissingArtifact] = []
    for pair in left.pairs:
        with stages.stage(f"lowering {'-'.join(pair)}"):
            one = write_artifact_of(model, pair, graphs, inputs.calibration, config.export)
            if isinstance(one, MissingArtifact):
                missing.append(one)
                continue
            found[pair] = one
            store.keep_artifact(one.artifact, one.delegation, made_from[pair])
    if not found:
        raise TargetError(
            f"no artifact could be made: {'; '.join(dict.fromkeys(one.reason for one in missing))}"
        )
    return [found[pair] for pair in inputs.plan.pairs if pair in found], missing


def _made_from(inputs: Inputs, config: Config, target: str | None, recipe: str) -> str:
    """Return the digest of everything that an artifact depends on; without a target, that its graph does."""
    model, calibration = inputs.model, inputs.calibration
    images = faces_digest(calibration.faces) if calibration and parse_recipe(recipe).quantized else None
    # the data set too: w8a8-qat trains on it
    settings = config.model_dump(mode="json", include={"quantize", "export", "data"})
    settings["export"] = {
        key: value for key, value in settings["export"].items() if key not in ("targets", "recipes", "output")
    }
    return digest(
        weights=model.weights_sha256,
        contract=model.contract.sha256,
        name=model.name,
        target=target,
        recipe=recipe,
        calibration=images,
        settings=settings,
    )


def _host_logits(one: Exported, test: Faces, dataset: DatasetSummary, store: Store) -> Inference | str:
    """Return the artifact's answers to the test images, or why this machine cannot give them."""
    obstacle = get_target(one.artifact.info.target).host_obstacle()
    if obstacle is not None:
        return obstacle
    made_from = digest(file=one.artifact.info.sha256, images=dataset.sha256)
    kept = store.answers(one.artifact.key, made_from)
    if kept is not None:
        return kept
    try:
        answers = infer(one.artifact, test.pixels)
    except TargetError as error:  # an emulation that lacks an operation
        return str(error)
    store.keep_answers(one.artifact.key, answers, made_from)
    return answers


def _device_report(
    exported: list[Exported],
    device: DeviceProfile,
    config: Config,
    store: Store,
    comparer: LayerComparer,
    stages: Stages,
) -> DeviceReport:
    timing = config.profile.timing
    made_from = digest(
        files={one.artifact.key: one.artifact.info.sha256 for one in exported},
        device=device.model_dump(mode="json"),
        protocol=timing.model_dump(mode="json"),
    )
    figures = store.timings(device.name, made_from)
    if figures is None:
        artifacts = [one.artifact for one in exported]
        with stages.stage(f"timing on {device.market_name}"):
            say(f"timing {len(exported)} artifacts on {device.market_name}")
            figures = all_runtime_figures(artifacts, device, timing)
        with stages.stage(f"profiling layers on {device.market_name}"):
            figures = with_layer_times(figures, artifacts, device, timing, comparer.names())
        store.keep_timings(device.name, figures, made_from)
    return DeviceReport(
        name=device.name,
        market_name=device.market_name,
        soc=device.soc,
        os=device.os,
        transport=device.transport,
        figures=figures,
    )


def report_folder(config: Config, report: Report) -> Path:
    """Return the folder that holds the report: that of the model's artifacts."""
    return config.export.output / report.model.name
