"""Damaged and strange csv files: read as they are meant, or refused by line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.data.imports.fer_csv import read_fer_csv, read_votes_csv
from fer_deploy.errors import DataError
from fixtures.fer_sources import fer_csv_text, random_rows, votes_csv_text

ROWS = random_rows(6)
TEXT, VOTES = fer_csv_text(ROWS), votes_csv_text(ROWS)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        fer_csv_text(ROWS, newline="\r\n").encode(),
        fer_csv_text(ROWS, quote='"').encode(),
        fer_csv_text(ROWS, "icml", quote='"', newline="\r\n").encode(),
        TEXT.rstrip("\n").encode(),
        (TEXT + "\n\n").encode(),
        TEXT.replace("emotion,pixels", "EMOTION ,Pixels").encode(),
        TEXT.replace(",Training", ", Training ").encode(),
        "\n".join(line + ",more" for line in TEXT.splitlines()).encode(),
    ],
    ids=["BOM", "CRLF", "quotes", "icml", "no last newline", "blank lines", "case", "blanks", "more columns"],
)
def test_the_same_rows_in_other_forms(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    rows = read_fer_csv(path)
    assert np.array_equal(rows.images, ROWS.images)
    assert np.array_equal(rows.emotion, ROWS.emotion)
    assert np.array_equal(rows.usage, ROWS.usage)


def line(number: int, change: Callable[[str], str]) -> str:
    lines = TEXT.splitlines()
    lines[number - 1] = change(lines[number - 1])
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty or its first line is; download"),
        ("\n" + TEXT, "is empty or its first line is"),
        (TEXT.splitlines()[0], "holds no row below its header"),
        (TEXT.replace("pixels", "pixel", 1), "line 1 of .* has no column 'pixels', only"),
        (TEXT.replace(",Usage", "", 1), "line 1 of .* has no column 'usage'"),
        (TEXT.replace("emotion,", "Usage,emotion,", 1), "line 1 of .* has more than one column 'usage'"),
        (TEXT.replace(",", ";"), "line 1 of .* has no column 'emotion', only"),
        (line(3, lambda at: at.rsplit(" ", 1)[0] + ",Training"), r"^line 3 of .* has 2,303 values in column"),
        (line(3, lambda at: at.replace(" ", " 1 ", 1)), r"^line 3 of .* has 2,305 values in column 'pixels'"),
        (line(4, lambda _: "0," + "256 " * 2304 + ",Training"), r"^line 4 of .* has '256' in column 'pixels'"),
        (line(4, lambda _: "0," + "-1 " * 2304 + ",Training"), r"^line 4 .* '-1' in column 'pixels', expected"),
        (line(4, lambda _: "0," + "1.5 " * 2304 + ",Training"), r"^line 4 .* '1\.5' in column 'pixels'"),
        (line(4, lambda _: "0," + "x" * 99 + " 1" * 2303 + ",Training"), r"^line 4 .* 'x{20}' in column"),
        (line(5, lambda at: "7" + at[1:]), r"^line 5 of .* has '7' in column 'emotion', expected 0 to 6"),
        (line(5, lambda at: at[1:]), r"^line 5 of .* has '' in column 'emotion'"),
        (line(2, lambda at: at.replace("Training", "Test")), r"^line 2 .* 'Test' in column 'Usage', known: Tr"),
        (line(6, lambda at: at + ",0"), r"^line 6 of .* has 4 columns, expected 3"),
        (line(6, lambda at: '"' + at), r"has \d columns|is no csv|in column"),
        (line(3, lambda _: "0," + "9" * 200_000 + ",Training"), "is no csv after line 2: field larger"),
    ],
)  # fmt: skip
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_fer_csv(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_other_encodings_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(DataError, match="is no UTF-8 text after line 1"):
        read_fer_csv(path)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_fer_csv(tmp_path)
    with pytest.raises(DataError, match=r"no\.csv does not exist"):
        read_fer_csv(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VOTES.replace(",NF", ",nf ", 1), None),
        (VOTES.replace("fear,", "", 1), "line 1 of .* has no column 'fear'"),
        (
            VOTES.replace("fer0000001.png,", "fer0000001.png,11", 1),
            r"line 3 .* in column 'neutral', expected 0",
        ),
        (VOTES.replace("fer0000001.png,", "fer0000001.png,-", 1), r"line 3 .* in column 'neutral'"),
        (VOTES.replace("PublicTest", "Public", 1), r"line 3 .* has 'Public' in column 'Usage'"),
        (VOTES.splitlines()[0], "holds no row"),
    ],
)
def test_votes(tmp_path: Path, text: str, message: str | None) -> None:
    path = tmp_path / "fer2013new.csv"
    path.write_text(text)
    if message is None:
        assert np.array_equal(read_votes_csv(path).votes, ROWS.votes)
        return
    with pytest.raises(DataError, match=message):
        read_votes_csv(path)


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_flipped_byte_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: float, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.csv"
    raw = bytearray(fer_csv_text(random_rows(4)).encode())
    raw[int(place * len(raw))] ^= value
    path.write_bytes(raw)
    try:
        rows = read_fer_csv(path)
    except DataError:
        return
    assert rows.images.shape[1:] == (48, 48)
