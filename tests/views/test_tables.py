from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.measure.figures import Flip
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.report.wording import amount
from fer_deploy.views.sections.devices import device_table, runtimes
from fer_deploy.views.tables import (
    FLOAT_ROW,
    CellRun,
    Sentence,
    Table,
    accuracy_table,
    artifact_table,
    between_table,
    cell_runs,
    class_table,
    flip_count,
    flip_groups,
    headline,
    model_sentence,
    parity_table,
    table_grounds,
    without_recall,
)
from fixtures.sample_report import NEEDS_MACOS, sample_report


def by_key(report: Report, key: str) -> ArtifactReport:
    return next(one for one in report.artifacts if one.key == key)


def spoken(sentence: Sentence) -> str:
    return "".join(amount(part) if isinstance(part, Measurement) else part for part in sentence)


@pytest.mark.parametrize(
    "table",
    [artifact_table, accuracy_table, parity_table, between_table, class_table, without_recall],
)
def test_every_row_is_as_long_as_the_heading(report: Report, table: Callable[[Report], Table]) -> None:
    made = table(report)
    assert made.rows
    assert all(len(cells) == len(made.columns) for _, cells in made.rows)


def test_artifact_table_begins_with_the_float_model_and_misses_no_artifact(report: Report) -> None:
    names = [name for name, _ in artifact_table(report).rows]
    assert names == [FLOAT_ROW, *(one.key for one in report.artifacts)]


def test_artifact_table_holds_the_reports_own_figures(report: Report) -> None:
    one = by_key(report, "onnx-w8a8-ptq")
    row = dict(artifact_table(report).rows)[one.key]
    assert row == (
        one.size,
        one.delegation.share,
        one.accuracy.accuracy,
        one.parity.drop,
        one.parity.agreement,
        one.parity.sqnr,
    )


def test_device_table_has_one_row_per_artifact_on_it(report: Report) -> None:
    for device in report.devices:
        assert [name for name, _ in device_table(device).rows] == [one.artifact for one in device.figures]


def test_class_table_leaves_out_only_artifacts_without_recall(report: Report) -> None:
    shown, left_out = set(class_table(report).columns), {name for name, _ in without_recall(report).rows}
    assert left_out == {"coreml-w8a8-ptq"}
    assert shown - {"images", FLOAT_ROW} == {one.key for one in report.artifacts} - left_out


def test_recall_stays_with_its_class_when_an_artifact_lacks_one(report: Report) -> None:
    first = report.artifacts[0]
    fewer = first.accuracy.model_copy(update={"classes": first.accuracy.classes[1:]})
    changed = report.model_copy(update={"artifacts": (first.model_copy(update={"accuracy": fewer}),)})
    rows = [cells[-1] for _, cells in class_table(changed).rows]
    assert isinstance(rows[0], Measurement)
    assert not rows[0].known
    assert rows[1:] == [one.recall for one in first.accuracy.classes[1:]]


def test_unknown_flips_are_not_zero_flips(report: Report) -> None:
    assert flip_count(by_key(report, "coreml-w8a8-ptq")) == "not measured"
    assert flip_count(by_key(report, "executorch-float")) == "0"


flips = st.lists(
    st.builds(
        Flip,
        row=st.integers(0, 10_000),
        label=st.sampled_from("abc"),
        reference=st.sampled_from("abc"),
        artifact=st.sampled_from("abc"),
    )
)


@given(flips)
def test_flip_groups_keep_every_row_and_come_largest_first(flips: list[Flip]) -> None:
    groups = flip_groups(tuple(flips))
    assert sorted(row for group in groups for row in group.rows) == sorted(flip.row for flip in flips)
    sizes = [len(group.rows) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert len({(group.label, group.reference, group.artifact) for group in groups}) == len(groups)


cells = st.lists(
    st.one_of(
        st.sampled_from(["", "–", "3"]),
        st.builds(measured, st.floats(0, 9), st.just(Unit.DECIBEL)),
        st.builds(not_measured, st.just(Unit.DECIBEL), st.sampled_from(["why", "because"])),
    ),
    max_size=9,
)


@given(cells)
def test_cell_runs_cover_every_column_once_and_join_only_the_same_gap(row: list[Measurement | str]) -> None:
    table = Table("", tuple(f"c{index}" for index in range(len(row))), (("row", tuple(row)),))
    runs = cell_runs(table, tuple(row))
    assert [column for run in runs for column in run.columns] == list(table.columns)
    assert [run.cell for run in runs for _ in run.columns] == row
    assert all(
        len(run.columns) == 1 or (isinstance(run.cell, Measurement) and not run.cell.known) for run in runs
    )


def test_cell_runs_join_neighbours_of_one_reason() -> None:
    gap, other = not_measured(Unit.BYTES, "why"), not_measured(Unit.BYTES, "because")
    table = Table("", ("a", "b", "c"), ())
    assert cell_runs(table, (gap, gap, other)) == (CellRun(("a", "b"), gap), CellRun(("c",), other))


def test_grounds_cover_every_known_figure_and_say_which(report: Report) -> None:
    size = measured(1, Unit.BYTES)
    gap = not_measured(Unit.BYTES, "why")
    rows = tuple((name, (size, size if name == "a" else gap)) for name in "abc")
    assert table_grounds(Table("", ("x", "y"), rows)) == {"measured": "x (all rows); y (a)"}
    narrow = tuple((name, (gap if name == "a" else size,)) for name in "abc")
    assert table_grounds(Table("", ("x",), narrow)) == {"measured": "x (all rows but a)"}
    assert any(way.startswith("emulated") for way in table_grounds(artifact_table(report)))


def test_headline_states_facts_or_that_they_are_missing(plain_report: Report) -> None:
    known = spoken(headline(plain_report, by_key(plain_report, "executorch-w8a8-ptq")))
    assert known.startswith("Takes 428 KB; XNNPACK runs 97.0 % of its operators. Accuracy ")
    assert "Median latency on this machine " in known
    assert "; on Pixel 8 1.90 ms." in known
    missing = headline(plain_report, by_key(plain_report, "coreml-w8a8-ptq"))
    assert "Accuracy not measured. " in spoken(missing)
    assert NEEDS_MACOS in {part.reason for part in missing if isinstance(part, Measurement)}


def test_model_sentence_counts_leaked_images_only_when_there_are_some(report: Report) -> None:
    assert "20 with a twin in the training split" in spoken(model_sentence(report))
    none = report.model_copy(update={"dataset": report.dataset.model_copy(update={"leaked": 0})})
    assert "twin" not in spoken(model_sentence(none))


def test_runtimes_name_their_artifacts(report: Report) -> None:
    found = runtimes(report.devices[0])
    assert found["ExecuTorch 1.5.1"] == ("executorch-float", "executorch-w8a8-ptq", "executorch-w8a8-qat")


def test_sample_reports_are_reproducible() -> None:
    assert sample_report.__wrapped__() == sample_report()
