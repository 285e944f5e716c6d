"""``fer-deploy data``: what is written, what is said on stderr, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.cli.data import command
from fer_deploy.data.fer2013 import FILE_NAME
from fixtures.fer_sources import (
    fer_csv_text,
    layout_names,
    npz_arrays,
    random_rows,
    votes_csv_text,
    write_layout,
)

ROWS = random_rows(42)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), f"not handled: {result.exception!r}"
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert all(word in line for word in words), line


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    path = tmp_path / "fer2013.csv"
    path.write_text(fer_csv_text(ROWS))
    return path


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "fer2013new.csv"
    path.write_text(votes_csv_text(ROWS))
    return path


def test_each_command_has_its_help() -> None:
    listed = call("--help").stdout
    for name, one in command.commands.items():
        assert one.help
        assert one.short_help is not None
        assert one.short_help in listed
        assert "Usage:" in call(name, "--help").stdout


def test_import_writes_and_says_what_differs(tmp_path: Path, faces: Path, votes: Path) -> None:
    output = tmp_path / "new" / FILE_NAME
    result = call("import", faces, votes, "--output", output)
    assert result.exit_code == 0, result.output
    assert np.array_equal(npz_arrays(output)["images"], ROWS.images)
    assert "warning: Training has 14 images, published are 28,709: angry 2 instead of 3,995" in result.stderr
    assert "warning: PrivateTest has 14 images, published are 3,589" in result.stderr
    assert "FER+ votes" not in result.stderr
    assert "42 images" in result.stdout
    assert [path.name for path in output.parent.iterdir()] == [FILE_NAME]


def test_without_votes_it_is_said(tmp_path: Path, faces: Path) -> None:
    result = call("import", faces, "--output", tmp_path / "other.npz")
    assert result.exit_code == 0
    assert "without fer2013new.csv there are no FER+ votes: use '--dataset fer2013'" in result.stderr
    assert f"FER_DATA finds a file named {FILE_NAME} only" in result.stderr


def test_an_output_that_is_there_stays(tmp_path: Path, faces: Path) -> None:
    output = tmp_path / FILE_NAME
    output.write_text("mine")
    refused(call("import", faces, "--output", output), "is there already", "--force")
    assert output.read_text() == "mine"
    assert call("import", faces, "--output", output, "--force").exit_code == 0
    assert len(npz_arrays(output)["images"]) == 42


def test_malformed_input_leaves_the_old_output(tmp_path: Path, faces: Path) -> None:
    output = tmp_path / FILE_NAME
    output.write_text("mine")
    faces.write_text(faces.read_text().replace(",Training", ",Holdout", 1))
    result = call("import", faces, "--output", output, "--force")
    refused(result, f"line 2 of {faces} has 'Holdout' in column 'Usage'")
    assert output.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [faces.name, FILE_NAME]


def test_outputs_that_are_refused(tmp_path: Path, faces: Path) -> None:
    refused(call("import", faces), "Missing option '--output'")
    refused(call("import", faces, "--output", tmp_path / "fer"), "is not named .npz")
    (tmp_path / "a.npz").mkdir()
    refused(call("import", faces, "--output", tmp_path / "a.npz", "--force"), "is a folder")
    faces = faces.rename(tmp_path / "fer.npz")
    refused(call("import", faces, "--output", faces, "--force"), "is one of the sources")
    refused(call("import", tmp_path / "no", "--output", tmp_path / "b.npz"), "no does not exist")
    assert call("import").exit_code == 2


def test_merged_folders_say_so(tmp_path: Path) -> None:
    root = write_layout(tmp_path / "fer", ROWS, layout_names(ROWS, "png", named=False))
    result = call("import", root, "--output", tmp_path / FILE_NAME)
    assert result.exit_code == 0, result.output
    assert "note: the split of 28 images of 'test'" in result.stderr
    assert "warning: PublicTest and PrivateTest together has 28 images, published are 7,178" in result.stderr
    checked = call("check", "--dataset", "fer2013", "--data", tmp_path, "--json")
    refused(checked, "FER2013 PublicTest holds no usable image")
    splits = json.loads(checked.stdout)["splits"]
    assert splits["test"]["account"]["images"] == 28
    assert "reason" in splits["validation"]


def test_rafdb_is_only_counted(
    tmp_path: Path, write_rafdb: Callable[[Path, Sequence[tuple[str, int]]], Path]
) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 5), ("test_0001.jpg", 7)])
    result = call("import", root, "--output", tmp_path / FILE_NAME)
    assert result.exit_code == 0, result.output
    assert "warning: train has 1 images, published are 12,271: surprise 0 instead of 1,290" in result.stderr
    assert f"nothing is imported of RAF-DB, and {tmp_path / FILE_NAME} is not written" in result.stderr
    assert not (tmp_path / FILE_NAME).exists()
    (root / "Image" / "aligned" / "test_0001_aligned.jpg").unlink()
    refused(call("import", root), "1 of the 1 test images")


def test_check_prints_every_split(tmp_path: Path, write_npz: Callable[..., Path]) -> None:
    write_npz(tmp_path / FILE_NAME)
    result = call("check", "--data", tmp_path)
    assert result.exit_code == 0, result.output
    assert "train: FER+ Training" in result.stdout
    assert "contempt" in result.stdout
    found = json.loads(call("check", "--data", tmp_path, "--json").stdout)
    assert found["dataset"]["kind"] == "ferplus"
    assert found["splits"]["train"]["account"] == {
        "images": 10,
        "passed_over": {},
        "repeated": 0,
        "two_labels": 0,
        "in_training": 0,
    }


def test_check_of_nothing(tmp_path: Path) -> None:
    refused(
        call("check", "--data", tmp_path / "no.npz"), "no.npz does not exist; make it with 'fer-deploy data"
    )
    refused(call("check", "--dataset", "mnist"), "unknown dataset 'mnist'")
