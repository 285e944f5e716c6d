"""``fer-deploy study``: train architectures under the same conditions and compare what comes out."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import ConfigError
from fer_deploy.experiments.study_schema import StudyBudget, StudyReport, StudyRow, StudyRun, StudySpec
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Frozen
from fer_deploy.measure.latency import all_runtime_figures
from fer_deploy.measure.measurement import Measurement, measured
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.measure.statistics import mean_interval
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.model import Architecture, Model, load_model
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.pipeline.summaries import dataset_summary, delegation_figures, model_summary, size_figure
from fer_deploy.progress import say
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import W8A8_PTQ, CalibrationSet, PtqOptions
from fer_deploy.targets.artifact import (
    Artifact,
    CalibrationInfo,
    open_artifact,
    tool_versions,
    write_artifact,
)
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.registry import TARGET_NAMES, get_target
from fer_deploy.train.recipe import TrainRecipe

#: The target whose int8 artifact the study measures.
TARGET = TARGET_NAMES[0]
_MODEL, _ARTIFACT = "model", f"{TARGET}-w8a8-ptq"
_RUN_FILE, _LATENCY_FILE = "run.json", "latency.json"


class _FinishedRun(Frozen):
    """``run.json``: a run's figures and the recipe that they belong to."""

    recipe: TrainRecipe
    run: StudyRun


class _TimedRun(Frozen):
    """``latency.json``: the latency of a run's artifact, and what it was measured of and how."""

    weights_sha256: str
    protocol: TimingProtocol
    latency: Measurement


@dataclass(frozen=True)
class StudyData:
    """The splits that a study works on, loaded once for all runs."""

    training: Faces
    validation: Faces
    calibration: CalibrationSet


def run_study(
    spec: StudySpec, work_dir: Path, command: str, device: str = "cpu", threads: int | None = None
) -> StudyReport:
    """Train and measure every architecture with every seed, and return the comparison.

    A study that was stopped goes on where it was: finished runs in ``work_dir`` are read back, the one that was
    cut off resumes from its checkpoint.

    Args:
        spec: what to train.
        work_dir: gets one folder per run, with checkpoint, log, model and int8 artifact.
        command: printed in the report.
        device: a torch device for the training.
        threads: CPU threads of the training; None for torch's choice.

    Raises:
        FerDeployError: the dataset is unusable, ``work_dir`` belongs to another study, or a run fails.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    data = open_study_data(spec)
    done: dict[Architecture, list[tuple[Path, StudyRun]]] = {one: [] for one in spec.architectures}
    total = len(spec.seeds) * len(spec.architectures)
    for seed in spec.seeds:
        for architecture in spec.architectures:
            folder = work_dir / run_name(architecture, seed)
            number = 1 + sum(map(len, done.values()))
            say(f"run {number} of {total}: {architecture.label}, seed {seed}")
            run = trained_run(spec.recipe(architecture, seed), data, folder, device)
            done[architecture].append((folder, run))
    # Timed when nothing of ours trains any more.
    latencies = _latencies([done[one][0][0] / _ARTIFACT for one in spec.architectures], spec.timing)
    rows = tuple(
        _row(one, done[one], latency) for one, latency in zip(spec.architectures, latencies, strict=True)
    )
    first = spec.recipe(spec.architectures[0], spec.seeds[0])
    return StudyReport(
        name=spec.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        versions=tool_versions(),
        host=load_profile("host").soc,
        validation=dataset_summary(data.validation),
        budget=StudyBudget(
            epochs=first.epochs,
            images_per_epoch=first.images_per_epoch or len(data.training),
            training_images=len(data.training),
            batch_size=first.batch_size,
            seeds=spec.seeds,
            device=device,
            threads=torch.get_num_threads(),
            hours=sum(run.train_seconds for runs in done.values() for _, run in runs) / 3600,
            recipe=_recipe_text(first),
        ),
        rows=rows,
    )


def open_study_data(spec: StudySpec) -> StudyData:
    """Return the training split, the validation split and the calibration set of a study.

    Raises:
        DataError: the dataset is missing or malformed.
    """
    recipe = spec.recipe(spec.architectures[0], spec.seeds[0])
    training = open_dataset(recipe.data, "train", None, recipe.input)
    validation = open_dataset(recipe.data, "validation", training.labels, recipe.input)
    return StudyData(training, validation, calibration_for(training, spec.calibration_images, 0))


def run_name(architecture: Architecture, seed: int) -> str:
    """Return the name of a run's folder, e.g. ``mobilenet_v2-x0.5-seed0``."""
    return f"{architecture.label.replace(' ', '-')}-seed{seed}"


def trained_run(recipe: TrainRecipe, data: StudyData, folder: Path, device: str) -> StudyRun:
    """Return the run in ``folder``, trained and measured now unless it was before.

    Raises:
        ConfigError: the finished run there had another recipe.
        TrainingError: see :meth:`fer_deploy.train.loop.Trainer.run`.
    """
    from fer_deploy.train.run import train_on

    stored = folder / _RUN_FILE
    if stored.is_file():
        finished = _FinishedRun.model_validate_json(stored.read_bytes())
        if finished.recipe != recipe:
            raise ConfigError(
                f"{folder} holds a finished run of another recipe; use another --work-dir or delete it"
            )
        return finished.run
    trained = train_on(recipe, data.training, data.validation, folder, folder / _MODEL, device)
    model = load_model(folder / _MODEL)
    logits = float_graph(model).logits(data.validation.pixels, "validating float")
    artifact, delegation = int8_artifact(model, data.calibration, folder / _ARTIFACT)
    int8 = artifact_logits(artifact, data.validation.pixels)
    run = StudyRun(
        seed=recipe.seed,
        best_epoch=trained.best_epoch + 1,
        float_accuracy=accuracy_figures(logits, data.validation),
        int8_accuracy=accuracy_figures(int8, data.validation),
        int8_size=size_figure(artifact.info),
        delegation=delegation_figures(delegation),
        train_seconds=trained.seconds,
    )
    write_atomic(stored, _FinishedRun(recipe=recipe, run=run).model_dump_json(indent=1) + "\n")
    return run


def int8_artifact(model: Model, calibration: CalibrationSet, folder: Path) -> tuple[Artifact, Delegation]:
    """Quantize ``model`` by calibration alone and write its artifact of :data:`TARGET`."""
    info = CalibrationInfo(
        dataset=calibration.faces.name,
        rows=tuple(int(row) for row in calibration.faces.rows),
        seed=calibration.seed,
    )
    # Whatever int8 leaves of it: a study compares, and ships nothing.
    graph = convert(prepare(model, calibration, PtqOptions()), W8A8_PTQ, calibration)
    return write_artifact(get_target(TARGET), graph, folder, model.name, model.weights_sha256, info)


def host_latencies(folders: Sequence[Path], protocol: TimingProtocol) -> list[Measurement]:
    """Return the median latency of each artifact on this machine, timed in turns so that drift meets all alike.

    The conditions of each tell the load that the machine was under.
    """
    say(f"timing {len(folders)} artifact(s)")
    artifacts = [open_artifact(folder) for folder in folders]
    figures = all_runtime_figures(artifacts, load_profile("host"), protocol)
    load = {"load average": f"{os.getloadavg()[0]:.1f}"}
    return [
        one.latency_p50.model_copy(update={"conditions": one.latency_p50.conditions | load})
        for one in figures
    ]


def _latencies(folders: Sequence[Path], protocol: TimingProtocol) -> list[Measurement]:
    """Return :func:`host_latencies`; what was timed before is read back, if all of it is of this protocol."""
    files = [folder.parent / _LATENCY_FILE for folder in folders]
    weights = [open_artifact(folder).info.weights_sha256 for folder in folders]
    stored = [_TimedRun.model_validate_json(file.read_bytes()) for file in files if file.is_file()]
    if [(one.weights_sha256, one.protocol) for one in stored] == [(digest, protocol) for digest in weights]:
        return [one.latency for one in stored]
    latencies = host_latencies(folders, protocol)
    for file, digest, latency in zip(files, weights, latencies, strict=True):
        timed = _TimedRun(weights_sha256=digest, protocol=protocol, latency=latency)
        write_atomic(file, timed.model_dump_json(indent=1) + "\n")
    return latencies


def _row(architecture: Architecture, done: list[tuple[Path, StudyRun]], latency: Measurement) -> StudyRow:
    model = load_model(done[0][0] / _MODEL)
    summary = model_summary(model, float_graph(model))
    runs = tuple(run for _, run in done)

    def over_seeds(figure: Callable[[StudyRun], Measurement]) -> Measurement:
        return mean_over_seeds([figure(run) for run in runs])

    labels = [one.label for one in runs[0].float_accuracy.classes]
    return StudyRow(
        label=architecture.label,
        family="fer" if architecture.name.startswith("fer_") else architecture.name,
        parameters=summary.parameters,
        macs=summary.macs,
        int8_size=runs[0].int8_size,
        int8_latency=latency,
        delegation=runs[0].delegation,
        accuracy=over_seeds(lambda run: run.float_accuracy.accuracy),
        int8_accuracy=over_seeds(lambda run: run.int8_accuracy.accuracy),
        balanced_accuracy=over_seeds(lambda run: run.float_accuracy.balanced_accuracy),
        recalls={
            label: over_seeds(lambda run, at=index: run.float_accuracy.classes[at].recall)  # type: ignore[misc]
            for index, label in enumerate(labels)
        },
        runs=runs,
    )


def mean_over_seeds(figures: list[Measurement]) -> Measurement:
    """Return the mean with its interval over runs; a single run's own figure as it is.

    A figure that one run does not have (no image of a class) no run has: they saw the same images.
    """
    first = figures[0]
    values = [figure.value for figure in figures if figure.value is not None]
    if len(figures) == 1 or len(values) < len(figures):
        return first
    conditions = first.conditions | {"seeds": len(values)}
    return measured(sum(values) / len(values), first.unit, mean_interval(values), conditions, tuple(values))


def _recipe_text(recipe: TrainRecipe) -> str:
    import tomlkit

    # without the data's path, which is this machine's own
    table = recipe.model_dump(
        mode="json", exclude_none=True, exclude={"architecture": True, "seed": True, "data": {"path"}}
    )
    return tomlkit.dumps(table)
