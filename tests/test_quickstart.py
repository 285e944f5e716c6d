"""docs/quickstart.md: from nothing to a report on a network of one's own, each command as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PROJECT = _ROOT / "examples" / "own_model"
#: What `init` writes that the example keeps.
_KEPT = ("fer-deploy.toml", "contract.toml", ".github/workflows/fer-deploy.yml")


def commands() -> list[list[str]]:
    """Return the words of each command of the page."""
    text = (_ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", text, re.S)
    return [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]


def call(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    program = {"python": [sys.executable], "fer-deploy": [sys.executable, "-m", "fer_deploy"]}[words[0]]
    return subprocess.run(
        [*program, *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_six_commands() -> None:
    found = commands()
    assert len(found) == 6
    assert found[0] == ["pip", "install", "fer-deploy"]
    assert {words[0] for words in found[1:]} == {"python", "fer-deploy"}


def test_the_example_keeps_what_init_writes(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(_PROJECT, tmp_path / "own"))
    for label in ("happiness", "neutral", "surprise"):
        for split in ("train", "test"):
            (folder / "faces" / split / label).mkdir(parents=True)
    # what init looks at is the network, not how well it was trained
    trained = "import torch, my_net; torch.save(my_net.Net().state_dict(), my_net.WEIGHTS)"
    assert call(["python", "-c", trained], folder).returncode == 0
    (words,) = [words for words in commands() if words[:2] == ["fer-deploy", "init"]]
    done = call(words, folder)
    assert done.returncode == 0, done.stderr
    for name in _KEPT:
        assert (folder / name).read_text() == (_PROJECT / name).read_text(), name


@pytest.mark.slow
def test_every_command_does_its_work(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(_PROJECT, tmp_path / "own"))
    for words in commands()[1:]:
        done = call(words, folder)
        # 360 drawn test images are few, and the page says so
        allowed = (0, 3) if words[:2] == ["fer-deploy", "check"] else (0,)
        assert done.returncode in allowed, f"{words}: {done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
    assert (folder / "dist" / "my_net" / "report.html").is_file()
