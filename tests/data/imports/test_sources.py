"""Every source of FER2013 gives back exactly what was written into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.fer2013 import load_fer2013
from fer_deploy.data.imports.rows import ambiguous_duplicates, npz_bytes
from fer_deploy.data.imports.sources import count_rafdb, gather, kind_of
from fer_deploy.errors import DataError
from fixtures.fer_sources import (
    FerRows,
    fer_csv_text,
    layout_names,
    npz_arrays,
    random_rows,
    real_rows,
    votes_csv_text,
    write_layout,
)

GREY = InputSpec(height=48, width=48, color="grey", mean=(0.0,), std=(1.0,))


@pytest.fixture(params=["random", "real"])
def rows(request: pytest.FixtureRequest) -> FerRows:
    if request.param == "random":
        return random_rows()
    return real_rows(request.getfixturevalue("fer_data"))


def written(path: Path, sources: list[Path]) -> dict[str, np.ndarray]:
    path.write_bytes(npz_bytes(gather(sources)))
    return npz_arrays(path)


@pytest.mark.parametrize("style", ["fer2013", "icml"])
def test_the_two_csv_files_come_back_exactly(tmp_path: Path, rows: FerRows, style: str) -> None:
    faces, votes = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"
    faces.write_text(fer_csv_text(rows, style))
    votes.write_text(votes_csv_text(rows))
    arrays = written(tmp_path / "out.npz", [votes, faces])
    assert np.array_equal(arrays["images"], rows.images)
    assert np.array_equal(arrays["emotion"], rows.emotion)
    assert np.array_equal(arrays["usage"], rows.usage)
    assert np.array_equal(arrays["ferplus_votes"], rows.votes)
    assert arrays["csv_row"].tolist() == list(range(len(rows)))
    assert arrays["name"].tolist() == rows.names
    assert arrays["lossless"].all()


def test_the_npz_has_the_real_one_s_keys_and_types(tmp_path: Path, fer_data: Path) -> None:
    (tmp_path / "fer2013.csv").write_text(fer_csv_text(random_rows()))
    arrays = written(tmp_path / "out.npz", [tmp_path / "fer2013.csv"])
    real = npz_arrays(fer_data / "fer2013_ferplus_48.npz")
    assert {key: array.shape[1:] for key, array in arrays.items()} == {
        key: array.shape[1:] for key, array in real.items()
    }
    assert {key: array.dtype.kind for key, array in arrays.items()} == {
        key: array.dtype.kind for key, array in real.items()
    }
    numbers = [key for key, array in real.items() if array.dtype.kind != "U"]
    assert {key: arrays[key].dtype for key in numbers} == {key: real[key].dtype for key in numbers}


def test_the_loader_reads_what_is_written(tmp_path: Path) -> None:
    rows = random_rows()
    (tmp_path / "fer2013.csv").write_text(fer_csv_text(rows))
    (tmp_path / "fer2013new.csv").write_text(votes_csv_text(rows))
    written(tmp_path / "out.npz", [tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"])
    faces = load_fer2013("PrivateTest", GREY, "fer2013", tmp_path / "out.npz")
    mine = rows.usage == "PrivateTest"
    assert np.array_equal(faces.pixels[:, 0], rows.images[mine])
    assert np.array_equal(faces.targets, rows.emotion[mine])
    plus = load_fer2013("PrivateTest", GREY, "ferplus", tmp_path / "out.npz")
    assert set(plus.rows.tolist()) <= set(np.flatnonzero(mine).tolist())


def test_without_votes_only_fer2013_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text(fer_csv_text(random_rows()))
    arrays = written(tmp_path / "out.npz", [tmp_path / "fer2013.csv"])
    assert not arrays["ferplus_votes"].any()
    assert len(load_fer2013("Training", GREY, "fer2013", tmp_path / "out.npz"))
    with pytest.raises(DataError, match=r"out\.npz holds no FER\+ votes; make it again with fer2013new\.csv"):
        load_fer2013("Training", GREY, "ferplus", tmp_path / "out.npz")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_folders_with_the_split_in_their_names(tmp_path: Path, rows: FerRows, ending: str) -> None:
    names = layout_names(rows, ending, named=True)
    root = write_layout(tmp_path / "fer", rows, names)
    arrays = written(tmp_path / "out.npz", [root])
    order = np.argsort(names)
    assert arrays["name"].tolist() == sorted(names)
    assert np.array_equal(arrays["emotion"], rows.emotion[order])
    assert np.array_equal(arrays["usage"], rows.usage[order])
    assert arrays["csv_row"].tolist() == [-1] * len(rows)
    assert not arrays["ferplus_votes"].any()
    if ending == "png":
        assert np.array_equal(arrays["images"], rows.images[order])
    decoded = np.stack([np.asarray(Image.open(root / name)) for name in sorted(names)])
    assert np.array_equal(arrays["images"], decoded)
    assert (arrays["lossless"] == (ending == "png")).all()


def test_ambiguous_is_an_image_under_two_labels() -> None:
    images = np.zeros((5, 48, 48), dtype=np.uint8)
    images[3:] = 7
    emotion = np.array([0, 1, 0, 2, 2], dtype=np.uint8)
    assert ambiguous_duplicates(images, emotion).tolist() == [True, True, True, False, False]
    rows = random_rows()
    assert np.flatnonzero(ambiguous_duplicates(rows.images, rows.emotion)).tolist() == [0, 1]


def test_what_does_not_belong_together(tmp_path: Path) -> None:
    rows = random_rows(6)
    faces, votes, folder = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv", tmp_path / "fer"
    faces.write_text(fer_csv_text(rows))
    votes.write_text(votes_csv_text(rows))
    write_layout(folder, rows, layout_names(rows, "png", named=True))
    second = tmp_path / "second.csv"
    second.write_text(fer_csv_text(rows))
    for sources, message in (
        ([votes], r"fer2013new\.csv holds votes and no image; give fer2013\.csv as well"),
        ([faces, folder], r"fer2013\.csv \(fer2013\.csv\), .* do not belong together; give one"),
        ([faces, second], "do not belong together"),
        ([folder, votes], r"fer2013new\.csv counts the rows of fer2013\.csv, which .*fer does not have"),
        ([tmp_path / "no.csv"], r"no\.csv does not exist; give what you downloaded"),
    ):
        with pytest.raises(DataError, match=message):
            gather(sources)


def test_votes_of_other_rows(tmp_path: Path) -> None:
    rows = random_rows(6)
    faces, votes = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"
    faces.write_text(fer_csv_text(rows))
    lines = votes_csv_text(rows).splitlines()
    votes.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"fer2013new\.csv has 5 rows and .*fer2013\.csv 6; row i of one"):
        gather([faces, votes])
    lines[2], lines[3] = lines[3], lines[2]
    votes.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"row 1 is PrivateTest in .*new\.csv but PublicTest in .*2013\.csv"):
        gather([faces, votes])


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"PK\x03\x04....", "is a zip archive; unpack it"),
        (b"\x1f\x8b\x08....", "is a gzip archive; unpack it"),
        (b"", "is empty"),
        (b"a,b\n1,2\n", r"line 1 of .* has the columns \['a', 'b'\], which are neither"),
        (b"\xff\xfee\x00m\x00", "is no UTF-8 text"),
    ],
)
def test_files_that_are_no_source(tmp_path: Path, head: bytes, message: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(head)
    with pytest.raises(DataError, match=message):
        kind_of(path)


def test_rafdb_is_counted_where_it_is(
    tmp_path: Path, write_rafdb: Callable[[Path, Sequence[tuple[str, int]]], Path]
) -> None:
    root = write_rafdb(
        tmp_path / "raf", [("train_00001.jpg", 1), ("train_00002.jpg", 4), ("test_0001.jpg", 7)]
    )
    assert kind_of(root) == "RAF-DB"
    assert count_rafdb(root) == {"train": (1, 0, 0, 1, 0, 0, 0), "test": (0, 0, 0, 0, 0, 0, 1)}
    with pytest.raises(DataError, match="is RAF-DB, of which nothing is imported"):
        gather([root])
