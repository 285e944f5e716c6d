"""Whether a report is about the files at hand: it cannot vouch for another file, another model or another contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_deploy.contract import Contract
from fer_deploy.errors import ArtifactError
from fer_deploy.gate.figures import FLOAT_MODEL
from fer_deploy.gate.verdicts import INTEGRITY, Outcome, Verdict
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.targets.artifact import open_artifact


@dataclass(frozen=True)
class CurrentModel:
    """The model as it lies in its folder now."""

    where: str
    name: str
    weights_sha256: str
    contract: Contract


def integrity(report: Report, report_path: Path, current: CurrentModel | None) -> tuple[Verdict, ...]:
    """Return a verdict on the report itself and on each artifact folder beside it.

    Args:
        report: the report in ``report_path``.
        report_path: artifacts are looked for beside it, then where the report says they were written.
        current: the model that the configuration names, when that can be read without executing anything.
    """
    own = list(_report_problems(report, current))
    found = [_verdict(FLOAT_MODEL, own, "the report, its contract and the model belong together")]
    for one in report.artifacts:
        problems = list(_artifact_problems(report, one, folder_of(one, report_path)))
        found.append(_verdict(one.key, problems, "the file is the one that was measured"))
    return tuple(found)


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


def _report_problems(report: Report, current: CurrentModel | None) -> Iterator[str]:
    model = report.model
    if model.contract.sha256 != model.contract_sha256:
        yield "the contract in the report was changed after the run: its sha256 differs"
    if current is None:
        return
    if current.name != model.name:
        yield f"the report is of model '{model.name}', the configuration names '{current.name}' ({current.where})"
        return
    if current.contract.sha256 != model.contract_sha256:
        what = differences(current.contract, model.contract, (current.where, "the report"))
        yield f"the contract was changed since the run: {what}; run again"
    if current.weights_sha256 != model.weights_sha256:
        yield f"the weights in {current.where} are not those that were reported on; run again"


def _artifact_problems(report: Report, one: ArtifactReport, folder: Path) -> Iterator[str]:
    try:
        artifact = open_artifact(folder)
    except ArtifactError as error:
        yield str(error)
        return
    info, model = artifact.info, report.model
    if (info.target, info.recipe) != (one.target, one.recipe):
        yield f"{folder} holds {artifact.key}"
    if info.model != model.name or info.weights_sha256 != model.weights_sha256:
        yield f"{folder} is an artifact of another model: of '{info.model}', weights sha256 {info.weights_sha256[:12]}"
    if info.contract_sha256 != model.contract_sha256:
        what = differences(info.contract, model.contract, ("the artifact", "the report"))
        yield f"{folder} was exported with another contract: {what}"
    if info.sha256 != one.sha256:
        yield (
            f"the report is of another artifact: it measured sha256 {one.sha256[:12]}, {artifact.file} is "
            f"{info.sha256[:12]}"
        )
