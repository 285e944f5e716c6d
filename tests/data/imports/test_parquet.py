"""Parquet files: what their columns may be called, whose order the labels have, and what is said without pyarrow."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.fer2013 import FER2013_LABELS
from fer_deploy.data.imports import parquet
from fer_deploy.data.imports.parquet import read_parquets
from fer_deploy.data.imports.sources import kind_of
from fer_deploy.errors import DataError
from fixtures.fer_sources import FerRows, random_rows, real_rows

ROWS = random_rows(12)
ALPHABET = sorted(FER2013_LABELS)


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return stream.getvalue()


def write(path: Path, columns: dict[str, Any], names: list[str] | None = None) -> Path:
    arrow = pytest.importorskip("pyarrow", reason="pip install 'fer-deploy[parquet]'")
    import pyarrow.parquet

    table = arrow.table(columns)
    if names:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path)
    return path


def images(rows: FerRows = ROWS) -> list[dict[str, Any]]:
    return [{"bytes": encoded(image), "path": f"{n}.png"} for n, image in enumerate(rows.images)]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"PAR1....PAR1")
    assert kind_of(path) == "parquet"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"which is not installed; pip install 'fer-deploy\[parquet\]'"):
        read_parquets([path])


@pytest.mark.parametrize("source", ["random", "real"])
def test_structs_with_a_usage_and_the_file_s_own_names(
    tmp_path: Path, source: str, request: pytest.FixtureRequest
) -> None:
    given = ROWS if source == "random" else real_rows(request.getfixturevalue("fer_data"))
    numbers = [ALPHABET.index(FER2013_LABELS[label]) for label in given.emotion]
    columns = {"image": images(given), "label": numbers, "Usage": given.usage.tolist()}
    rows = read_parquets([write(tmp_path / "fer.parquet", columns, ALPHABET)])
    assert np.array_equal(rows.images, given.images)
    assert np.array_equal(rows.emotion, given.emotion)
    assert np.array_equal(rows.usage, given.usage)
    assert rows.lossless.all()
    assert rows.notes == ()
    assert rows.name[3] == "3.png"
    assert not rows.votes.any()


def test_plain_bytes_with_words_and_a_file_per_split(tmp_path: Path) -> None:
    paths = []
    for split, word in {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}.items():
        mine = split == ROWS.usage
        content = [encoded(image, "JPEG") for image in ROWS.images[mine]]
        words = [FER2013_LABELS[label] for label in ROWS.emotion[mine]]
        path = tmp_path / (f"{word}-00000-of-00001.parquet" if word != "test" else "test/0.parquet")
        paths.append(write(path, {"img_bytes": content, "labels": words}))
    rows = read_parquets(paths)
    order = np.argsort(
        [["Training", "PublicTest", "PrivateTest"].index(split) for split in ROWS.usage], kind="stable"
    )
    assert np.array_equal(rows.usage, ROWS.usage[order])
    assert np.array_equal(rows.emotion, ROWS.emotion[order])
    decoded = np.asarray(Image.open(io.BytesIO(encoded(ROWS.images[order[0]], "JPEG"))))
    assert np.array_equal(rows.images[0], decoded)
    assert not rows.lossless.any()
    assert not rows.merged


def test_merged_tests(tmp_path: Path) -> None:
    columns = {"image": images(), "label": ROWS.emotion.tolist(), "split": ["train"] * 6 + ["test"] * 6}
    rows = read_parquets([write(tmp_path / "fer.parquet", columns)])
    assert rows.merged
    assert rows.usage.tolist() == ["Training"] * 6 + ["PrivateTest"] * 6
    assert rows.notes[0].startswith("the split of 6 images of 'test'")
    assert "numbers without names, taken for angry, disgust, fear, happy, sad, surprise" in rows.notes[1]
    assert "nothing in the file confirms" in rows.notes[1]


@pytest.mark.parametrize("order", [FER2013_LABELS, tuple(ALPHABET)])
def test_numbers_without_names_are_told_by_their_counts(
    monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    published = (1, 2, 3, 4, 5, 6, 7)
    monkeypatch.setattr(parquet, "FER2013_COUNTS", {"Training": published})
    want = [label for label, count in enumerate(published) for _ in range(count)]
    read = parquet._Read(labels=[order.index(FER2013_LABELS[label]) for label in want])
    read.unnamed = list(range(len(want)))
    (note,) = parquet._name_numbers(read, ["Training"] * len(want), "x")
    assert note.endswith("by their counts")
    assert read.labels == want


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("train", {"label": [0]}, "has no column image or img_bytes or"),
        ("train", {"image": [b""]}, "has no column labels or label or emotion"),
        ("train", {"image": [b"x"], "label": [0]}, r"row 0 of .* is not an image that can be decoded"),
        ("train", {"image": ["x"], "label": [0]}, r"row 0 of .* holds no image bytes"),
        ("train", {"image": [None], "label": [0]}, r"row 0 of .* holds no image bytes"),
        ("fer", {"image": [b"x"], "label": [0]}, "has no column usage or split, and its name tells none"),
        ("train", {"image": [encoded(ROWS.images[0])], "label": [7]}, "row 0 .* has the label '7', expected 0 to"),
        ("train", {"image": [encoded(ROWS.images[0])], "label": ["joy"]}, "has the label 'joy'"),
        ("train", {"image": [encoded(ROWS.images[0])], "label": [None]}, "has the label 'None'"),
        ("a", {"image": [b"x"], "label": [0], "split": ["holdout"]}, "has 'holdout' in column 'split', known"),
        ("train", {"image": [encoded(ROWS.images[0][:40])], "label": [0]}, "is 48x40 pixels and FER2013's"),
    ],
)  # fmt: skip
def test_malformed(tmp_path: Path, name: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_parquets([write(tmp_path / f"{name}.parquet", columns)])


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "train.parquet", {"image": images(), "label": ROWS.emotion.tolist()})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept * len(raw))])
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as parquet: .*; download it again"):
        read_parquets([path])
