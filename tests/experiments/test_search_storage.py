from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.errors import ConfigError, OutputError
from fer_deploy.experiments.search_schema import load_search
from fer_deploy.experiments.search_storage import reached, shown, study_name
from fer_deploy.experiments.search_trials import SearchTrials
from fixtures.searching import play, played_spec, search_document, write_search_file


def test_absent_optuna_is_one_sentence(
    tmp_path: Path, faces_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_search_file(tmp_path, search_document(faces_folder))
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = CliRunner().invoke(main, ["search", str(file), "--work-dir", str(tmp_path / "runs")])
    assert result.exit_code == 2
    assert "pip install 'fer-deploy[search]'" in result.stderr
    assert "Traceback" not in result.output
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tiny.toml"]


def test_what_needs_no_optuna_is_there_without_it() -> None:
    names = ("search", "search_trials", "search_storage", "search_report")
    imports = "\n".join(f"import fer_deploy.experiments.{name}" for name in names)
    # in a process of its own: a module that is loaded twice has two classes of each name
    subprocess.run([sys.executable, "-c", f"import sys\nsys.modules['optuna'] = None\n{imports}"], check=True)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense://x",
        "sqlite:///no/such/folder/trials.db",
        "postgresql://me:hidden@127.0.0.1:1/x",
        "://",
        "redis://x",
    ],
)
def test_a_storage_that_cannot_be_opened(tmp_path: Path, faces_folder: Path, url: str) -> None:
    file = write_search_file(tmp_path, search_document(faces_folder))
    arguments = ["search", str(file), "--work-dir", str(tmp_path / "runs"), "--storage", url]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert f"storage {shown(url)} cannot be opened" in result.stderr
    assert "sqlite:///search.db" in result.stderr
    assert "hidden" not in result.output
    assert "Traceback" not in result.output
    assert not list((tmp_path / "tiny").iterdir())


@pytest.mark.parametrize("content", [b"not a journal\nat all\n", b'{"op_code": 99}\n{}\n', bytes(range(256))])
def test_a_file_that_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trials"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be opened") as caught:
        SearchTrials(played_spec(), str(path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("storage", ["{}/trials", "sqlite:///{}/trials.db"])
def test_a_search_over_another_space_is_refused(tmp_path: Path, storage: str) -> None:
    where = storage.format(tmp_path)
    play(SearchTrials(played_spec(), where), 2)
    other = played_spec(limits={"macs": 1_000_000})
    with pytest.raises(
        ConfigError, match="holds search 'tiny' with another space, limits or training"
    ) as caught:
        SearchTrials(other, where)
    assert "\n" not in str(caught.value)
    # what asks for more of the same goes on, and another name is another search
    assert len(SearchTrials(played_spec(candidates=6), where).finished()) == 2
    assert SearchTrials(played_spec(name="tiny-2", limits={"macs": 1_000_000}), where).finished() == []


def test_the_name_is_the_same_on_every_machine(tmp_path: Path, faces_folder: Path) -> None:
    names = set()
    for folder, data in ((tmp_path / "a", faces_folder), (tmp_path / "b", tmp_path / "elsewhere")):
        folder.mkdir()
        document = search_document(data)
        document["train"]["init"] = "models/start"
        names.add(study_name(load_search(write_search_file(folder, document))))
    assert len(names) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"limits": {"macs": 5}},
        {"estimate": {"profile": "pixel-8"}},
        {"pruning": {"rungs": [1]}},
        {"train": {"epochs": 9}},
        {"space": {"base": "fer_s", "width": [0.5, 1.0], "depth": [0.5, 1.0]}},
    ],
)
def test_the_name_tells_what_changes_figures(changed: dict[str, object]) -> None:
    assert study_name(played_spec()) != study_name(played_spec(**changed))
    assert study_name(played_spec(candidates=5, random=3)) == study_name(played_spec())


def test_a_storage_that_fails_on_the_way() -> None:
    with pytest.raises(OutputError, match="disk is full; give the same command again"), reached("x"):
        raise OSError("disk is full")


def test_passwords_are_not_shown() -> None:
    assert shown("mysql://me:s/ecret@host/db").count("secret") == 0
    assert shown("postgresql://me:secret@host/db") == "postgresql://...@host/db"
    assert shown("runs/search.journal") == "runs/search.journal"
