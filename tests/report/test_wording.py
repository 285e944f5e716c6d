import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.measure.measurement import (
    Interval,
    Measurement,
    Provenance,
    Unit,
    measured,
    not_measured,
)
from fer_deploy.report.wording import (
    LEGEND,
    MARKS,
    Footnotes,
    amount,
    bare_amount,
    clean,
    describe,
    grounds,
    interval,
    probability,
)

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def number(text: str) -> float:
    return float(text.split(" ")[0].replace(",", "").replace("\N{MINUS SIGN}", "-"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.8321, Unit.FRACTION, "83.2 %"),
        (1.0, Unit.FRACTION, "100.0 %"),
        (0.9997, Unit.FRACTION, "99.97 %"),  # not quite everything must not read as everything
        (0.0002, Unit.FRACTION, "0.02 %"),
        (0.31, Unit.POINTS, "+0.3 points"),
        (-0.31, Unit.POINTS, "\N{MINUS SIGN}0.3 points"),
        (0.0, Unit.POINTS, "0.0 points"),
        (0.04, Unit.POINTS, "+0.04 points"),
        (428_160, Unit.BYTES, "428 KB"),
        (999_700, Unit.BYTES, "1.00 MB"),
        (999, Unit.BYTES, "999 bytes"),
        (1234567, Unit.COUNT, "1,234,567"),
        (11.46, Unit.DECIBEL, "11.5 dB"),
        (12.3456, Unit.MILLISECONDS, "12.3 ms"),
        (9.999, Unit.MILLISECONDS, "10.0 ms"),
        (3.58e-6, Unit.LOGITS, "3.58e\N{MINUS SIGN}06 logits"),
        (0.0, Unit.LOGITS, "0 logits"),
    ],
)
def test_amount_rounds_by_unit(value: float, unit: Unit, text: str) -> None:
    assert amount(measured(value, unit)) == text
    assert text.startswith(bare_amount(measured(value, unit)))


@given(finite.filter(lambda value: abs(value) >= 1e-30), st.sampled_from([Unit.MILLISECONDS, Unit.LOGITS]))
def test_three_significant_digits_are_within_half_a_percent(value: float, unit: Unit) -> None:
    assert number(amount(measured(value, unit))) == pytest.approx(value, rel=0.005)


@given(st.floats(0, 1))
def test_a_share_reads_as_all_or_nothing_only_when_it_is_to_four_decimals(share: float) -> None:
    printed = number(amount(measured(share, Unit.FRACTION)))
    assert printed == pytest.approx(100 * share, abs=0.0501)
    if 1e-6 < share < 1 - 1e-6:
        assert printed not in (0.0, 100.0)


@given(st.floats(1, 1e15))
def test_bytes_keep_three_digits_and_a_scale_below_a_thousand(value: float) -> None:
    text = amount(measured(value, Unit.BYTES))
    scale = {"bytes": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[text.split(" ")[1]]
    assert number(text) * scale == pytest.approx(value, rel=0.0051, abs=0.5)
    assert number(text) < 1000 or scale == 1e9


@given(finite, st.tuples(finite, finite).map(sorted))
def test_interval_has_the_unit_scale_of_its_value(value: float, ends_of: list[float]) -> None:
    low, high = ends_of
    figure = measured(value, Unit.POINTS, Interval(low=low, high=high, method="95 %"))
    ends = interval(figure).strip("[]").split(", ")
    assert [number(end) for end in ends] == pytest.approx([low, high], rel=1e-6, abs=0.0501)


def test_interval_in_kilobytes_follows_its_value() -> None:
    figure = measured(950_000, Unit.BYTES, Interval(low=900_000, high=1_100_000, method="95 %"))
    assert (amount(figure), interval(figure)) == ("950 KB", "[900, 1,100]")


def test_no_interval_reads_as_nothing() -> None:
    assert interval(measured(1, Unit.COUNT)) == ""
    assert interval(not_measured(Unit.COUNT, "why")) == ""


def test_what_is_missing_says_so_everywhere() -> None:
    gap = not_measured(Unit.BYTES, "needs\nmacOS")
    assert amount(gap) == bare_amount(gap) == "not measured"
    assert describe(gap) == grounds(gap) == "not measured: needs macOS"


def test_describe_and_grounds_name_the_provenance() -> None:
    figure = Measurement(
        value=1.5,
        unit=Unit.MILLISECONDS,
        provenance=Provenance.ESTIMATED,
        interval=Interval(low=1, high=2, method="80 %, rows"),
        conditions={"threads": "4"},
        samples=(1.0, 2.0),
    )
    assert describe(figure) == "1.50 ms [1.00, 2.00] (estimated)"
    assert grounds(figure) == "estimated; interval: 80 %, rows; threads: 4; 2 raw samples"


@given(st.text())
def test_clean_text_is_one_line_without_control_characters(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in cleaned)
    assert clean(cleaned) == cleaned


def test_clean_drops_escape_sequences_and_reordering_marks() -> None:
    assert clean("a\x1b[31mb\u202ec") == "a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}c"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0009, "< 0.001"), (0.001, "0.001"), (0.0314, "0.031"), (1.0, "1.000")]
)
def test_probability(value: float | None, text: str) -> None:
    assert probability(value) == text


def test_footnotes_number_each_reason_once() -> None:
    notes = Footnotes()
    figures = [not_measured(Unit.BYTES, reason) for reason in ("a", "b", "a")]
    assert [notes.number(figure) for figure in figures] == [1, 2, 1]
    assert list(notes) == [(1, "a"), (2, "b")]
    assert len(notes) == 2


def test_every_provenance_has_a_mark_of_its_own_and_a_meaning() -> None:
    assert set(MARKS) == set(LEGEND) == set(Provenance)
    assert len(set(MARKS.values())) == len(MARKS)
