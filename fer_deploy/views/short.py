"""What a Python prompt shows of a value: one to three lines of plain text."""

from __future__ import annotations

from fer_deploy.contract import Contract
from fer_deploy.gate.verdicts import Check, Outcome
from fer_deploy.measure.comparison import Comparison
from fer_deploy.model import Model, count_parameters
from fer_deploy.report.schema import Report
from fer_deploy.report.wording import amount, clean
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.prediction import Prediction

#: Verdicts, artifacts and classes that are named.
_NAMED = 3


def text(value: object) -> str:
    """Return a value in one to three lines, without control characters; any other as Python has it."""
    match value:
        case Model():
            lines = _model(value)
        case Artifact():
            lines = _artifact(value)
        case Prediction():
            lines = _prediction(value)
        case Comparison():
            lines = _comparison(value)
        case Check():
            lines = _check(value)
        case Report():
            lines = _report(value)
        case _:
            return object.__repr__(value)
    return "\n".join(map(clean, lines))


def _model(model: Model) -> list[str]:
    parameters = f"{count_parameters(model.network):,} parameters"
    return [f"Model {model.name}: {_input(model.contract)}, {parameters}, from {model.source}"]


def _input(contract: Contract) -> str:
    spec = contract.input
    return f"{spec.height} × {spec.width} {spec.color}, {len(contract.labels)} classes"


def _artifact(artifact: Artifact) -> list[str]:
    info = artifact.info
    proven = artifact.proof
    agreed = (
        "not proven"
        if proven is None or proven.agreement is None
        else f"{proven.agreement:.0%} agreement with the float network on {proven.images} images"
    )
    return [
        f"Artifact {artifact.key} of {info.model}: {info.size_bytes:,} bytes, {info.runtime}, {agreed}",
        f"  {artifact.file}",
    ]


def _prediction(answer: Prediction) -> list[str]:
    order = sorted(answer.probabilities.items(), key=lambda one: one[1], reverse=True)
    shares = ", ".join(f"{label} {share:.1%}" for label, share in order[:_NAMED])
    how = "" if answer.emulation is None else " (emulated)"
    said = answer.label
    if not answer.is_face:
        said = f"no face ({answer.no_face:.1%}), else {answer.label}"
    elif answer.unsure:
        said = f"unsure, most probably {answer.label}"
    return [f"Prediction {said}: {shares}{how}"]


def _comparison(found: Comparison) -> list[str]:
    parity = found.parity
    sqnr = "equal logits" if parity.max_logit_difference.value == 0 else f"SQNR {amount(parity.sqnr)}"
    return [
        f"Comparison on {found.images:,} images of {found.dataset}: agreement {amount(parity.agreement)}, "
        f"drop {amount(parity.drop)}, {sqnr}, {len(parity.flips):,} flips",
        f"  first  {found.first}",
        f"  second {found.second}",
    ]


def _check(check: Check) -> list[str]:
    lines = [f"Check of {check.model}: {check.summary}"]
    for outcome in (Outcome.FAIL, Outcome.NOT_MEASURED):
        found = check.of(outcome)
        if found:
            lines.append(f"  {outcome}: {_some([one.name for one in found])}")
    return lines


def _report(report: Report) -> list[str]:
    data = report.dataset
    accuracy = amount(report.float_accuracy.accuracy)
    lines = [f"Report on {report.model.name}: {accuracy} on {data.images:,} images of {data.name}"]
    drops = [f"{one.key} {amount(one.parity.drop)}" for one in report.artifacts]
    lines.append(f"  drop of {_some(drops)}")
    if report.missing:
        lines.append(f"  not made: {_some([one.key for one in report.missing])}")
    return lines


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
