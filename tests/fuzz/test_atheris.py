"""A thousand coverage-guided hostile files of each kind; ``pip install '.[fuzz]'``, then ``pytest -m fuzz``."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="NO ATHERIS: nothing was fuzzed with it; pip install '.[fuzz]'",
    ),
]
HARNESS = Path(__file__).with_name("harness.py")
#: More for a night: FUZZ_RUNS=100000 pytest -m fuzz
RUNS = int(os.environ.get("FUZZ_RUNS", "1000"))


def fuzz(kind: str, runs: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the harness in ``folder``, where libFuzzer leaves what it finds."""
    return subprocess.run(
        [sys.executable, str(HARNESS), kind, f"-runs={runs}", "-seed=1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


@pytest.mark.parametrize("kind", ["configuration", "contract", "profile", "report", "artifact", "image"])
def test_no_traceback_and_no_hang(kind: str, tmp_path: Path) -> None:
    done = fuzz(kind, RUNS, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    finished = re.search(r"Done (\d+) runs", done.stderr)
    assert finished, done.stderr[-2000:]
    assert int(finished[1]) >= RUNS
    assert list(tmp_path.glob("crash-*")) == []


def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    done = fuzz("planted", 200_000, tmp_path)
    assert done.returncode != 0
    assert "planted" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*"))
