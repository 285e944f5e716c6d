"""A limit is one row: whatever is about it elsewhere is read from the row, and its key is spelt nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from pydantic import ValidationError

import fer_deploy
from fer_deploy.cli.check import command
from fer_deploy.devices.profile_schema import Budgets
from fer_deploy.frozen import first_problem
from fer_deploy.gate.budget import Budget, Limits
from fer_deploy.gate.figures import Expected, judged
from fer_deploy.gate.limit import DatasetLimit, DeviceLimit, Limit
from fer_deploy.gate.limits import LIMITS
from fer_deploy.measure.figures import CompiledFigures
from fer_deploy.measure.measurement import NO_INTERVAL, Unit, estimated, not_measured
from fer_deploy.report.schema import Report

_PACKAGE = Path(fer_deploy.__file__).parent
_HOME = "gate/limits.py"
_TEXT = (".py", ".j2", ".html", ".toml", ".json", ".csv", ".mjs", ".js", ".cpp", ".h", ".sh", ".css", ".md")

each_limit = pytest.mark.parametrize("kind", LIMITS.values(), ids=LIMITS)


def _spelt(key: str, text: str) -> int:
    """Return how often the key stands in a text, as a key or as an option."""
    return len(re.findall(rf"(?<![\w-]){key.replace('_', '[_-]')}(?![\w-])", text.replace("--", " ")))


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    # without the schemas, which are made from the rows
    return {
        path.relative_to(_PACKAGE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(_PACKAGE.rglob("*"))
        if path.suffix in _TEXT and "node_modules" not in path.parts and path.parent.name != "schemas"
    }


@each_limit
def test_its_key_stands_in_one_place(kind: Limit, sources: dict[str, str]) -> None:
    assert {name: count for name, text in sources.items() if (count := _spelt(kind.key, text))} == {_HOME: 1}


def test_the_search_for_keys_sees_every_spelling() -> None:
    for text in ('"max_p90_ms"', "--max-p90-ms 5", "own.max_p90_ms", "max_p90_ms=1"):
        assert _spelt("max_p90_ms", text) == 1
    for text in ("p90_ms", "max_p90_ms_of", "the_max_p90_ms"):
        assert _spelt("max_p90_ms", text) == 0


@each_limit
def test_check_has_its_option(kind: Limit) -> None:
    (option,) = [one for one in command.params if one.name == kind.key]
    assert isinstance(option, click.Option)
    assert option.opts == [kind.option]
    assert option.help == kind.help
    assert isinstance(option.type, click.FloatRange)
    assert (option.type.min, option.type.max) == (kind.counted.lowest, kind.counted.highest)


def test_options_stand_in_the_order_of_the_rows() -> None:
    assert [one.name for one in command.params if one.name in LIMITS] == list(LIMITS)


@each_limit
def test_the_budget_has_its_key(kind: Limit) -> None:
    for table in (Limits, Budget):
        assert table.model_validate({kind.key: 1.5}).said(kind) == 1.5
        assert table.model_validate({kind.key: False}).said(kind) is False
        assert table().said(kind) is None


@each_limit
def test_numbers_out_of_range_are_refused(kind: Limit) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Budget.model_validate({kind.key: kind.counted.lowest - 0.5})
    if kind.counted.highest is not None:
        with pytest.raises(ValidationError, match="less than or equal to 100"):
            Budget.model_validate({kind.key: kind.counted.highest + 0.5})
    with pytest.raises(ValidationError):
        Budget.model_validate({kind.key: True})


def test_unknown_keys_are_refused() -> None:
    for table in ({"max_flip": 1}, {"devices": {"host": {"max_flip": 1}}}):
        with pytest.raises(ValidationError) as caught:
            Budget.model_validate(table)
        assert first_problem(caught.value).endswith("max_flip: unknown key")


def _compiled(report: Report) -> Report:
    """Return a report whose first device has an NPU whose compiler estimates the first artifact and not the second."""
    by = {NO_INTERVAL: "not known"}
    size = estimated(1000, Unit.BYTES, None, by)
    said = CompiledFigures(
        accelerator="an NPU", compiler="a compiler", configuration="one", operators=3, on_cpu=0,
        cycles=estimated(5, Unit.COUNT, None, by), sram=size, flash=size, dram=size,
    )  # fmt: skip
    device = report.devices[0]
    first, second, *rest = device.figures
    known = first.model_copy(update={"for_npu": True, "compiled": said})
    unknown = second.model_copy(
        update={"for_npu": True, "latency_p50": not_measured(Unit.MILLISECONDS, "no tools")}
    )
    changed = device.model_copy(update={"figures": (known, unknown, *rest)})
    return report.model_copy(update={"devices": (changed, *report.devices[1:])})


@each_limit
def test_its_figures_are_in_its_unit_whether_or_not_they_are_there(kind: Limit, plain_report: Report) -> None:
    expected = Expected(artifacts=("onnx-w8", "coreml-w8"), devices=("galaxy-s24",))
    reports = [plain_report]
    if isinstance(kind, DatasetLimit):
        nobody_counted = plain_report.dataset.model_copy(update={"account": None})
        reports.append(plain_report.model_copy(update={"dataset": nobody_counted}))
    if kind.key in ("max_sram_kb", "max_flash_kb"):
        reports.append(_compiled(plain_report))
    found = [one for report in reports for one in judged(report, kind, expected)]
    assert {one.figure.unit for one in found} == {kind.unit}
    assert {one.figure.known for one in found} == {True, False}
    assert {one.device is not None for one in found} == {isinstance(kind, DeviceLimit)}


@pytest.mark.parametrize(
    ("own", "key", "number"),
    [
        (Budgets(accuracy_drop_points=0.5), "max_accuracy_drop", 0.5),
        (Budgets(size_bytes=1_234_567), "max_size_kb", 1234.567),
        (Budgets(p90_ms=0.2), "max_p90_ms", 0.2),
        (Budgets(peak_memory_bytes=5_000_000), "max_peak_memory_mb", 5.0),
    ],
)
def test_a_device_profile_sets_it_in_the_unit_of_its_figure(own: Budgets, key: str, number: float) -> None:
    assert Limits.of_profile(own) == Limits.model_validate({key: number})


def test_every_limit_that_a_profile_may_set_has_a_row() -> None:
    full = Budgets(**dict.fromkeys(Budgets.model_fields, 1))
    limits = Limits.of_profile(full)
    assert limits is not None
    assert len(limits.model_fields_set) == len(Budgets.model_fields)
    assert Limits.of_profile(Budgets()) is None


@each_limit
def test_a_limit_is_said_and_held_in_its_own_unit(kind: Limit) -> None:
    goal = kind.goal(50)
    assert kind.holds(goal, 50)
    assert kind.holds(goal * 1.01, 50) is kind.least
    assert kind.holds(goal * 0.99, 50) is not kind.least
    assert kind.describe(50) == f"{'at least' if kind.least else 'at most'} 50 {kind.counted.text}"


@each_limit
def test_its_help_says_what_is_judged(kind: Limit) -> None:
    end = "value" if kind.by_value else f"interval's {'lower' if kind.least else 'upper'} end"
    assert kind.help == f"{kind.about} Its {end} is judged."


@each_limit
@pytest.mark.parametrize("limit", [0.3, 7, 29, 57, 58, 71])
def test_a_figure_just_at_its_limit_is_within(kind: Limit, limit: float) -> None:
    value = limit / 100 if kind.unit is Unit.FRACTION else limit * kind.counted.scale
    assert kind.holds(value, limit)
    assert kind.at(value, limit)
    if kind.unit is Unit.FRACTION:
        assert kind.holds(1 - (1 - limit / 100), limit), "rounded in between"
    assert not kind.at(value * 1.000001, limit)


def test_how_many_units_of_a_figure_one_of_its_limit_is() -> None:
    scales = {
        kind.unit: {one.counted.scale for one in LIMITS.values() if one.unit is kind.unit}
        for kind in LIMITS.values()
    }
    assert scales == {
        Unit.FRACTION: {0.01},
        Unit.POINTS: {1},
        Unit.BYTES: {1e3, 1e6},
        Unit.MILLISECONDS: {1},
        Unit.COUNT: {1},
    }
