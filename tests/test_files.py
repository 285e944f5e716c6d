from __future__ import annotations

import errno
import hashlib
import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.errors import ConfigError, OutputError
from fer_deploy.files import (
    alone_in,
    folder_atomic,
    read_toml,
    sha256_of,
    size_of,
    write_atomic,
    write_json_atomic,
    write_together,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("data", "want"), [(b"\x00\xff", b"\x00\xff"), ("grün\r\n", "grün\r\n".encode())])
def test_write_atomic_writes_bytes_and_utf8(tmp_path: Path, data: bytes | str, want: bytes) -> None:
    path = tmp_path / "new" / "folders" / "file"
    write_atomic(path, data)
    assert path.read_bytes() == want
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(path.parent) == ["file"]


def test_write_atomic_replaces(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", "old and longer")
    write_atomic(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_write_atomic_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(OutputError, match=r"cannot write .*file/x: .*; choose another output folder"):
        write_atomic(tmp_path / "file" / "x", "new")


def test_write_atomic_over_a_folder_leaves_it_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot write"):
        write_atomic(tmp_path / "folder", "new")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["inside"]


def test_write_together_replaces_its_files_only(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "folder" / "a").write_text("old")
    write_together(tmp_path / "folder", {"a": b"new", "b": b"more"})
    assert names(tmp_path / "folder") == ["a", "b", "inside"]
    assert (tmp_path / "folder" / "a").read_bytes() == b"new"


def test_write_together_leaves_all_old_files_when_one_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(OutputError, match="cannot write into"):
        write_together(tmp_path, {"a": b"new", "no/such/folder": b"x"})
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_folder_atomic_refuses_the_working_directory_by_its_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "kept").touch()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match=r"cannot replace \.: "), folder_atomic(Path()):
        pass
    assert names(tmp_path / "here") == ["kept"]


def test_write_json_atomic(tmp_path: Path) -> None:
    value = {"name": "grün", "numbers": [1, 2.5, None]}
    write_json_atomic(tmp_path / "file.json", value)
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "grün" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_write_json_atomic_refuses_what_json_has_not(tmp_path: Path, number: float) -> None:
    (tmp_path / "file.json").write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_atomic(tmp_path / "file.json", {"x": number})
    assert (tmp_path / "file.json").read_text() == "old"
    assert names(tmp_path) == ["file.json"]


def test_folder_atomic_makes_a_folder_with_its_parents(tmp_path: Path) -> None:
    goal = tmp_path / "a" / "goal"
    with folder_atomic(goal) as folder:
        (folder / "x").write_text("1")
        assert not goal.exists()
        assert folder.parent == goal.parent
    assert names(goal) == ["x"]
    assert goal.stat().st_mode & 0o777 == 0o755
    assert names(goal.parent) == ["goal"]


def test_folder_atomic_replaces_the_whole_folder(tmp_path: Path) -> None:
    goal = tmp_path / "goal"
    (goal / "deep").mkdir(parents=True)
    (goal / "old").write_text("1")
    with folder_atomic(goal) as folder:
        (folder / "new").write_text("2")
        assert names(goal) == ["deep", "old"]
    assert names(goal) == ["new"]
    assert names(tmp_path) == ["goal"]


@pytest.mark.parametrize("there", [True, False])
def test_folder_atomic_leaves_everything_as_it_was_after_an_exception(tmp_path: Path, there: bool) -> None:
    goal = tmp_path / "goal"
    if there:
        goal.mkdir()
        (goal / "old").write_text("1")
    with pytest.raises(KeyboardInterrupt), folder_atomic(goal) as folder:  # noqa: PT012
        (folder / "half").write_text("2")
        raise KeyboardInterrupt
    assert names(tmp_path) == (["goal"] if there else [])
    assert not there or names(goal) == ["old"]


def test_folder_atomic_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "goal").write_text("old")
    with pytest.raises(OutputError, match="goal: a file is there"), folder_atomic(tmp_path / "goal"):
        pytest.fail("the block must not run")
    with pytest.raises(OutputError, match="cannot write"), folder_atomic(tmp_path / "goal" / "below"):
        pytest.fail("the block must not run")
    assert (tmp_path / "goal").read_text() == "old"
    assert names(tmp_path) == ["goal"]


@given(data=st.binary(max_size=200))
def test_hash_and_size_of_a_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()
    assert size_of(path) == len(data)


def test_the_hash_of_a_file_larger_than_the_buffer(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192 + b"end"
    (tmp_path / "large").write_bytes(data)
    assert sha256_of(tmp_path / "large") == hashlib.sha256(data).hexdigest()


def test_hash_and_size_of_a_folder(tmp_path: Path) -> None:
    def make(root: Path, files: dict[str, str]) -> str:
        for name, text in files.items():
            write_atomic(root / name, text)
        return sha256_of(root)

    base = make(tmp_path / "base", {"a": "1", "deep/b": "22"})
    assert size_of(tmp_path / "base") == 3
    assert make(tmp_path / "same, written in another order", {"deep/b": "22", "a": "1"}) == base
    others = [
        make(tmp_path / "text", {"a": "1", "deep/b": "23"}),
        make(tmp_path / "name", {"a": "1", "deep/c": "22"}),
        make(tmp_path / "place", {"a": "1", "b": "22"}),
        make(tmp_path / "swapped", {"a": "22", "deep/b": "1"}),
        make(tmp_path / "more", {"a": "1", "deep/b": "22", "c": ""}),
        make(tmp_path / "fewer", {"a": "1"}),
    ]
    assert len({base, *others}) == 7


def test_an_empty_folder_has_no_size(tmp_path: Path) -> None:
    assert size_of(tmp_path) == 0
    assert sha256_of(tmp_path) == hashlib.sha256().hexdigest()


def test_read_toml(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('a = 1\n[b]\nc = "grün"\n', encoding="utf-8")
    assert read_toml(tmp_path / "x.toml", ConfigError, "settings") == {"a": 1, "b": {"c": "grün"}}


def test_read_toml_raises_the_error_that_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with pytest.raises(ConfigError, match=r"^settings .*x\.toml does not exist$"):
        read_toml(path, ConfigError, "settings")
    path.write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"^settings .*x\.toml is not valid TOML: .*line 1"):
        read_toml(path, ConfigError, "settings")
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"^settings .*x\.toml cannot be read: "):
        read_toml(path, ConfigError, "settings")
    with pytest.raises(ConfigError, match=r"^settings .* cannot be read: "):
        read_toml(tmp_path, ConfigError, "settings")


def test_a_stop_between_the_two_renames_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = tmp_path / "goal"
    goal.mkdir()
    (goal / "old").write_text("whole")
    rename = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if target == goal and (self / "new").exists():
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt), folder_atomic(goal) as folder:
        (folder / "new").write_text("whole too")
    assert [path.name for path in tmp_path.rglob("*")] == ["goal", "old"]


def test_read_toml_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\n", encoding="utf-8-sig")
    assert read_toml(tmp_path / "a.toml", ConfigError, "configuration") == {"a": 1}


def test_a_folder_that_is_a_link_to_another_file_system(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=shm) as elsewhere:
        (tmp_path / "dist").symlink_to(elsewhere)
        write_atomic(tmp_path / "dist" / "net" / "report.json", "{}")
        for content in ("first", "second"):
            with folder_atomic(tmp_path / "dist" / "net" / "onnx-float") as folder:
                (folder / "model").write_text(content)
        found = sorted(path.relative_to(elsewhere).as_posix() for path in Path(elsewhere).rglob("*"))
        assert found == ["net", "net/onnx-float", "net/onnx-float/model", "net/report.json"]
        assert (Path(elsewhere) / "net/onnx-float/model").read_text() == "second"


def test_a_folder_that_cannot_be_locked_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    message = "cannot be locked: No locks available; choose an output folder on a local disk"
    with pytest.raises(OutputError, match=message), alone_in(tmp_path):
        pytest.fail("entered")
