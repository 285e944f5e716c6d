"""All files of a new project or none, whatever stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.errors import OutputError
from fer_deploy.start.files import in_the_way, write_project

FILES = {"a.toml": b"a", "deep/er/b.yml": b"b"}


def test_what_is_written_and_what_it_replaced(tmp_path: Path) -> None:
    assert write_project(tmp_path, FILES, force=False) == ()
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES
    (tmp_path / "a.toml").write_bytes(b"mine")
    assert write_project(tmp_path, FILES, force=True) == tuple(FILES)
    assert (tmp_path / "a.toml").read_bytes() == b"a"


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.toml").symlink_to("nowhere")
    assert in_the_way(tmp_path, ("a.toml", "b")) == ("a.toml",)
    with pytest.raises(OutputError, match=r"a\.toml is here already; nothing was written: move it away"):
        write_project(tmp_path, FILES, force=False)


def test_a_full_disk_leaves_neither_files_nor_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_project(tmp_path, FILES, force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("a file")
    with pytest.raises(OutputError, match="nothing was written"):
        write_project(tmp_path, FILES, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
