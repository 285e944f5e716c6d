"""Hundreds of random budgets on random reports: no limit is dropped, and neither order nor names of places matter."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fer_deploy.gate.budget import Budget, Limits
from fer_deploy.gate.figures import Expected, judged
from fer_deploy.gate.holding import accounts, held, idle_lines, shadowed_lines
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.limits import LIMITS
from fer_deploy.gate.verdicts import Verdict
from fer_deploy.report.schema import Report
from fixtures.sample_report import PLAIN_LABELS, sample_report

FULL = sample_report(PLAIN_LABELS)
ARTIFACTS = ("onnx-float", "onnx-*", "*-float", "*", "onxx-*", "coreml-w8a8-ptq", "onnx-w8", "executorch-*")
DEVICES = ("host", "hosst", "pixel", "pixel-8", "p*", "*", "iphone-15", "galaxy-s24")
EXPECTED = (
    Expected(also_called={"pixel-8": ("pixel",)}),
    Expected(
        artifacts=("onnx-w8", "onnx-float"),
        devices=("galaxy-s24",),
        targets_of={"pixel-8": ("executorch", "onnx"), "iphone-15": ("coreml",)},
        also_called={"pixel-8": ("pixel",)},
    ),
)

#: Without shrinking, which takes minutes here: a failing budget is small enough to read.
hundreds = settings(max_examples=250, phases=[Phase.explicit, Phase.generate])

limit = st.one_of(st.just(False), st.floats(0, 100), st.sampled_from([0.0, 1.0, 2.0, 50.0, 100.0]))
tables = st.dictionaries(st.sampled_from(list(LIMITS)), limit, max_size=3)
budgets = st.builds(
    lambda general, artifacts, devices: {**general, "artifacts": artifacts, "devices": devices},
    tables,
    st.dictionaries(st.sampled_from(ARTIFACTS), tables, max_size=4),
    st.dictionaries(st.sampled_from(DEVICES), tables, max_size=4),
)


#: Which artifacts and which devices of the sample, in which order.
parts = st.tuples(
    st.lists(st.sampled_from(range(len(FULL.artifacts))), unique=True, min_size=1),
    st.lists(st.sampled_from(range(len(FULL.devices))), unique=True),
)


def part(of: tuple[list[int], list[int]]) -> Report:
    artifacts, devices = of
    return FULL.model_copy(
        update={
            "artifacts": tuple(FULL.artifacts[index] for index in artifacts),
            "devices": tuple(FULL.devices[index] for index in devices),
        }
    )


def told(found: tuple[Verdict, ...]) -> list[tuple[str, ...]]:
    rows = ((one.figure, one.subject, one.device, one.outcome, one.limit, one.message) for one in found)
    return sorted(tuple(map(str, row)) for row in rows)


def due(report: Report, budget: Budget, expected: Expected) -> Iterator[tuple[str, str, str | None]]:
    """Yield by another way than the product's what must have a verdict: what a number covers and no line lifts."""
    for kind in LIMITS.values():
        for figure in judged(report, kind, expected):
            names = expected.names(figure.device)
            near: list[Limits] = [
                limits
                for pattern, limits in budget.artifacts.items()
                if figure.artifact and fnmatchcase(figure.artifact, pattern)
            ]
            near += [
                limits
                for pattern, limits in budget.devices.items()
                if any(fnmatchcase(name, pattern) for name in names)
            ]
            said = [value for limits in (*near, budget) if (value := limits.said(kind)) is not None]
            if said and not any(value is False for value in said):
                yield kind.figure, figure.subject, figure.device


@hundreds
@given(parts, budgets, st.sampled_from(EXPECTED))
def test_no_limit_is_dropped(
    of: tuple[list[int], list[int]], table: dict[str, Any], expected: Expected
) -> None:
    """Every line is an error, or a note that it is hidden, or there is a verdict by its number."""
    report, budget = part(of), Budget.model_validate(table)
    found = held(report, budget, expected, {})
    errors = idle_lines(report, budget, expected, found)
    notes = shadowed_lines(budget, found)
    told_of = {one.line: one for one in accounts(budget, found) if one.figures}
    results = verdicts(report, budget, expected, {})
    for line in budget.lines():
        if any(line.table in said or said.startswith(line.name) for said in errors):
            continue
        account = told_of[line.name]
        if not account.holds:
            assert any(note.startswith(line.name) for note in notes)
        elif line.value is not None:
            kind = LIMITS[line.key]
            assert (kind.figure, kind.describe(line.value)) in {(one.figure, one.limit) for one in results}
    judged_figures = {(one.figure, one.subject, one.device) for one in results}
    unjudged = set(due(report, budget, expected)) - judged_figures
    assert not unjudged


@hundreds
@given(parts, budgets, st.sampled_from(EXPECTED), st.randoms(use_true_random=False), st.text(max_size=20))
def test_order_and_places_change_nothing_and_twice_is_the_same(
    of: tuple[list[int], list[int]], table: dict[str, Any], expected: Expected, random: Any, place: str
) -> None:
    def shuffled(values: Any) -> Any:
        items = list(values.items()) if isinstance(values, dict) else list(values)
        random.shuffle(items)
        return dict(items) if isinstance(values, dict) else tuple(items)

    report = part(of)
    other_table = shuffled(
        {**table, "artifacts": shuffled(table["artifacts"]), "devices": shuffled(table["devices"])}
    )
    other = report.model_copy(
        update={
            "artifacts": shuffled(
                [one.model_copy(update={"path": place, "file": place}) for one in report.artifacts]
            ),
            "devices": shuffled(
                [one.model_copy(update={"figures": shuffled(one.figures)}) for one in report.devices]
            ),
            "between_targets": shuffled(report.between_targets),
            "model": report.model.model_copy(update={"source": place}),
            "dataset": report.dataset.model_copy(update={"per_class": shuffled(report.dataset.per_class)}),
        }
    )
    first, second = Budget.model_validate(table), Budget.model_validate(other_table)
    once = told(verdicts(report, first, expected, {}))
    assert told(verdicts(report, first, expected, {})) == once
    assert told(verdicts(other, second, expected, {})) == once
    idle = {
        said.partition("; ")[0]
        for said in idle_lines(report, first, expected, held(report, first, expected, {}))
    }
    assert idle == {
        said.partition("; ")[0]
        for said in idle_lines(other, second, expected, held(other, second, expected, {}))
    }
