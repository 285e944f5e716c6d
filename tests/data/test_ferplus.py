"""Labels made of votes, held against the FER+ authors' own algorithm and the counts of the real file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_deploy.cli.options import PROTOCOL_NAMES
from fer_deploy.contract import InputSpec
from fer_deploy.data.fer2013 import FILE_NAME, SPLITS, load_fer2013
from fer_deploy.data.ferplus import (
    FERPLUS_LABELS,
    PROTOCOLS,
    Protocol,
    ferplus_agreed,
    ferplus_distribution,
    ferplus_majority,
)
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import DataError
from fixtures.fer_sources import votes

GREY = InputSpec(height=48, width=48, color="grey", mean=(128.0,), std=(64.0,))

vote_tables = hnp.arrays(np.int16, st.tuples(st.integers(1, 20), st.just(10)), elements=st.integers(-1, 10))


@given(table=vote_tables)
def test_distribution_rows_sum_to_one_or_are_empty(table: np.ndarray) -> None:
    distribution = ferplus_distribution(table)
    assert distribution.shape == (len(table), 8)
    assert distribution.dtype == np.float32
    assert (distribution >= 0).all()
    has_votes = (table[:, :8] > 0).any(axis=1)
    assert np.allclose(distribution.sum(axis=1), has_votes, atol=1e-6)


@given(table=vote_tables)
def test_distribution_drops_single_votes_unless_nothing_else_is_left(table: np.ndarray) -> None:
    distribution = ferplus_distribution(table)
    more_than_one = (table[:, :8] > 1).any(axis=1)
    assert np.array_equal(distribution[more_than_one] > 0, table[more_than_one, :8] > 1)
    assert np.array_equal(distribution[~more_than_one] > 0, table[~more_than_one, :8] > 0)


def test_distribution_of_one_row() -> None:
    row = ferplus_distribution(votes(happiness=6, neutral=2, fear=1, unknown=1))[0]
    assert row[FERPLUS_LABELS.index("happiness")] == np.float32(0.75)
    assert row[FERPLUS_LABELS.index("neutral")] == np.float32(0.25)


@pytest.mark.parametrize(
    ("row", "winner", "valid"),
    [
        (votes(happiness=6, fear=4), 1, True),
        (votes(neutral=5, sadness=5), 0, True),
        (votes(contempt=5, unknown=5), 7, True),
        (votes(contempt=4, unknown=6), 8, False),
        (votes(nf=10), 9, False),
        (votes(), 0, False),
        (np.full((1, 10), -1, dtype=np.int16), 0, False),
    ],
)
def test_majority(row: np.ndarray, winner: int, valid: bool) -> None:
    winners, valids = ferplus_majority(row)
    assert winners.dtype == np.int64
    assert (winners.tolist(), valids.tolist()) == ([winner], [valid])


@given(table=vote_tables.map(lambda table: table.clip(min=0)))
def test_a_valid_row_has_a_distribution(table: np.ndarray) -> None:
    _, valid = ferplus_majority(table)
    assert np.allclose(ferplus_distribution(table)[valid].sum(axis=1), 1, atol=1e-6)


def test_agreed_as_the_authors_majority_mode() -> None:
    votes = np.array(
        [
            [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # more than half
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # half is not enough
            [5, 1, 1, 1, 1, 1, 0, 0, 0, 0],  # single votes do not count
            [5, 0, 0, 0, 0, 0, 0, 0, 3, 2],  # those for "unknown" and "not a face" do
        ],
        dtype=np.int16,
    )
    assert ferplus_agreed(votes).tolist() == [True, False, True, False]


def _as_the_authors(row: list[float], mode: str) -> int:
    """Return the class that ``_process_data`` of microsoft/FERPlus's ferplus.py gives a row of votes; 8, 9: none."""
    size = len(row)
    unknown = [0.0] * size
    unknown[-2] = 1.0
    for i in range(size):
        if row[i] < 1.0 + sys.float_info.epsilon:
            row[i] = 0.0
    sum_list = sum(row)
    emotion = [0.0] * size
    if mode == "majority":
        maxval = max(row)
        if maxval > 0.5 * sum_list:
            emotion[int(np.argmax(row))] = maxval
        else:
            emotion = unknown
    else:
        sum_part, count, valid = 0.0, 0, True
        while sum_part < 0.75 * sum_list and count < 3 and valid:
            maxval = max(row)
            for i in range(size):
                if row[i] == maxval:
                    emotion[i] = maxval
                    row[i] = 0.0
                    sum_part += emotion[i]
                    count += 1
                    if i >= 8:
                        valid = False
                        if sum(emotion) > maxval:
                            emotion[i] = 0.0
                            count -= 1
                        break
        if sum(emotion) <= 0.5 * sum_list or count > 3:
            emotion = unknown
    return int(np.argmax(emotion))


@given(
    # Ten annotators each: a row of the real file is such a draw.
    st.lists(st.lists(st.integers(0, 9), min_size=10, max_size=10), min_size=1, max_size=20),
    st.sampled_from(["majority", "cross-entropy"]),
)
def test_protocols_keep_what_the_authors_keep(chosen: list[list[int]], mode: Protocol) -> None:
    table = np.array([np.bincount(row, minlength=10) for row in chosen], dtype=np.int16)
    # Where every vote is a single one, theirs divides by zero.
    table = table[(table > 1).any(axis=1)]
    targets, kept = PROTOCOLS[mode].apply(table)
    theirs = [_as_the_authors([float(vote) for vote in row], mode) for row in table]
    assert kept.tolist() == [one < len(FERPLUS_LABELS) for one in theirs]
    assert targets[kept].tolist() == [one for one in theirs if one < len(FERPLUS_LABELS)]


@pytest.mark.parametrize(
    ("protocol", "images"),
    [
        ("plurality", [28385, 3553, 3546]),
        ("majority", [25056, 3199, 3153]),
        ("cross-entropy", [27952, 3505, 3505]),
        ("raw", [28537, 3563, 3562]),
    ],
)
def test_real_counts_of_each_protocol(fer_data: Path, protocol: Protocol, images: list[int]) -> None:
    with np.load(fer_data / FILE_NAME) as archive:
        usage, table = archive["usage"], archive["ferplus_votes"]
    _, kept = PROTOCOLS[protocol].apply(table)
    assert [int((kept & (usage == split)).sum()) for split in SPLITS] == images


def test_raw_differs_from_plurality_by_images_without_votes(fer_data: Path) -> None:
    with np.load(fer_data / FILE_NAME) as archive:
        table = archive["ferplus_votes"]
    voted = table.sum(axis=1) > 0
    (raw, counted), (plurality, valid) = (PROTOCOLS[name].apply(table) for name in ("raw", "plurality"))
    assert np.array_equal(raw[voted], plurality[voted])
    assert np.array_equal(counted[voted], valid[voted])
    assert not valid[~voted].any()
    assert (counted & (raw == 0))[~voted].all()


@pytest.mark.usefixtures("fer_data")
def test_a_split_names_its_protocol_and_says_what_it_passed_over() -> None:
    faces = load_fer2013("PrivateTest", GREY, protocol="majority")
    assert (faces.name, len(faces)) == ("FER+ PrivateTest (majority mode)", 3153)
    assert faces.passed_over == {"without a majority for one emotion": 3589 - 3153}
    assert faces.agreed is not None
    assert faces.agreed.all()


def test_only_votes_have_protocols() -> None:
    with pytest.raises(ValueError, match="kind = 'fer2013' has none; leave it out"):
        DatasetSpec(kind="fer2013", protocol="majority")
    with pytest.raises(DataError, match="the labels of fer2013 have none: leave it out"):
        load_fer2013("PrivateTest", GREY, "fer2013", protocol="majority")


def test_the_command_line_knows_every_protocol() -> None:
    assert PROTOCOL_NAMES == get_args(Protocol) == tuple(PROTOCOLS)
