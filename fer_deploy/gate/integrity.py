"""Whether a report is about the files at hand: it cannot vouch for another file, another model or another contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_deploy.contract import Contract
from fer_deploy.errors import ArtifactError
from fer_deploy.files import size_of
from fer_deploy.frozen import Unknown
from fer_deploy.gate.figures import FLOAT_MODEL
from fer_deploy.gate.verdicts import CALIBRATION, INTEGRITY, Outcome, Verdict
from fer_deploy.model.origin import ModelFiles
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.targets.artifact import Artifact, open_artifact


def integrity(report: Report, report_path: Path, current: ModelFiles | Unknown) -> tuple[Verdict, ...]:
    """Return a verdict on the report itself and on each artifact folder beside it: same, changed, or not to be known.

    Args:
        report: the report in ``report_path``.
        report_path: artifacts are looked for beside it, then where the report says they were written.
        current: the model's files as they are now, or why they cannot be read.
    """
    found = [_model_verdict(report, current)]
    unfit = []
    for one in report.artifacts:
        try:
            artifact = open_artifact(folder_of(one, report_path))
        except ArtifactError as error:
            found.append(_verdict(one.key, [str(error)], ""))
            continue
        problems = list(_artifact_problems(report, one, artifact))
        found.append(_verdict(one.key, problems, "the file is the one that was measured"))
        calibration = artifact.info.calibration
        if calibration is not None and calibration.drawn:
            unfit.append(_not_for_shipping(one.key))
    return (*found, *unfit)


def _not_for_shipping(key: str) -> Verdict:
    """Return the verdict on an artifact whose ranges come from no photograph."""
    message = (
        "its ranges come from faces drawn by code, so it is not for shipping: give images of people in [data] "
        "and run again"
    )
    return Verdict(figure=CALIBRATION, subject=key, outcome=Outcome.FAIL, message=message)


def _model_verdict(report: Report, current: ModelFiles | Unknown) -> Verdict:
    problems = list(_report_problems(report))
    if isinstance(current, ModelFiles):
        problems += _model_problems(report, current)
    if problems:
        return _verdict(FLOAT_MODEL, problems, "")
    doubts = list(_doubts(report, current))
    if doubts:
        message = f"whether the model is the one that was measured cannot be known: {'; '.join(doubts)}"
        return Verdict(figure=INTEGRITY, subject=FLOAT_MODEL, outcome=Outcome.NOT_MEASURED, message=message)
    return _verdict(FLOAT_MODEL, [], "the report, its contract and the model belong together")


def folder_of(one: ArtifactReport, report_path: Path) -> Path:
    """Return the artifact's folder: beside the report, else where the report says it was written."""
    beside = report_path.parent / one.key
    return beside if beside.exists() else Path(one.path)


def differences(first: Contract, second: Contract, names: tuple[str, str]) -> str:
    """Return what differs between two contracts, e.g. ``input.mean is [0.0] in ... and [128.0] in ...``."""
    ours, theirs = _flat(first.model_dump(mode="json")), _flat(second.model_dump(mode="json"))
    parts = [
        f"{key} is {ours.get(key)} in {names[0]} and {theirs.get(key)} in {names[1]}"
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    ]
    return "; ".join(parts)


def _flat(value: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{above}{key}.") if isinstance(item, dict) else {f"{above}{key}": item}
    return flat


def _verdict(subject: str, problems: list[str], good: str) -> Verdict:
    return Verdict(
        figure=INTEGRITY,
        subject=subject,
        outcome=Outcome.FAIL if problems else Outcome.PASS,
        message="; ".join(problems) or good,
    )


def _report_problems(report: Report) -> Iterator[str]:
    model = report.model
    if model.contract.sha256 != model.contract_sha256:
        yield "the contract in the report was changed after the run: its sha256 differs"


def _model_problems(report: Report, current: ModelFiles) -> Iterator[str]:
    model = report.model
    if current.name != model.name:
        yield f"the report is of model '{model.name}', the configuration names '{current.name}' ({current.where})"
        return
    if current.contract.sha256 != model.contract_sha256:
        what = differences(current.contract, model.contract, (current.where, "the report"))
        yield f"the contract was changed since the run: {what}; run again"
    if current.weights_sha256 != model.weights_sha256:
        yield f"the weights of {current.where} are not those that were reported on; run again"
    before, now = report.origin.sources, current.origin.sources
    moved = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if moved and current.origin.unknown is None and report.origin.unknown is None:
        yield f"the source of {current.where} was changed since the run: {', '.join(moved)}; run again"
    elif changed := [name for name in moved if name in before and name in now]:
        yield f"the source of {current.where} was changed since the run: {', '.join(changed)}; run again"


def _doubts(report: Report, current: ModelFiles | Unknown) -> Iterator[str]:
    """Yield why a model that shows no difference need not be the one that was measured."""
    if isinstance(current, Unknown):
        yield current.reason
    else:
        yield from dict.fromkeys(
            one.unknown for one in (current.origin, report.origin) if one.unknown is not None
        )


def _artifact_problems(report: Report, one: ArtifactReport, artifact: Artifact) -> Iterator[str]:
    info, model, folder = artifact.info, report.model, artifact.folder
    if (info.target, info.recipe) != (one.target, one.recipe):
        yield f"{folder} holds {artifact.key}"
    if info.model != model.name or info.weights_sha256 != model.weights_sha256:
        yield f"{folder} is an artifact of another model: of '{info.model}', weights sha256 {info.weights_sha256[:12]}"
    if info.contract_sha256 != model.contract_sha256:
        what = differences(info.contract, model.contract, ("the artifact", "the report"))
        yield f"{folder} was exported with another contract: {what}"
    if one.size.known and one.size.value != size_of(artifact.file):
        yield f"the report gives {one.size.value:,.0f} bytes, {artifact.file} has {size_of(artifact.file):,}"
    if info.sha256 != one.sha256:
        yield (
            f"the report is of another artifact: it measured sha256 {one.sha256[:12]}, {artifact.file} is "
            f"{info.sha256[:12]}"
        )
