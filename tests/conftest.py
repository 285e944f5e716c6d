"""Fixtures for the whole suite: the real FER data where there is any, and small datasets made on the spot."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.fer2013 import FILE_NAME
from fixtures.real_data import real_faces

pytest_plugins = (
    "fixtures.drawn",
    "fixtures.fake_adb",
    "fixtures.job",
    "fixtures.left_out",
    "fixtures.lowered",
    "fixtures.outside",
    "fixtures.pages",
    "fixtures.processes",
)

# Torch, converters and their graphs are some million objects, and each full collection looks at all of them: a twelfth
# of the suite's time where it came as often as Python likes.
gc.set_threshold(10_000, 20, 100)

# Derandomised: a red build is the commit's doing, not the draw's. No deadline: CI machines are busy.
hypothesis.settings.register_profile("fer-deploy", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fer-deploy")

WriteRafdb = Callable[[Path, Sequence[tuple[str, int]]], Path]
WriteFolder = Callable[[Path, Mapping[str, int]], Path]
WriteNpz = Callable[..., Path]

_NO_DATA = "no FER data"


@pytest.fixture(scope="session")
def fer_data() -> Path:
    """The folder with the real npz; skips, and says so at the end of the run, where there is none."""
    if file := real_faces():
        return file.parent
    pytest.skip(f"{_NO_DATA}: set FER_DATA to the folder that holds {FILE_NAME}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = [
        where[2].removeprefix("Skipped: ")
        for where in skipped
        if isinstance(where, tuple) and _NO_DATA in where[2]
    ]
    if real_faces():
        return
    terminalreporter.section("REAL DATA NOT TESTED", sep="!", red=True, bold=True)
    if reasons:
        terminalreporter.write_line(f"SKIPPED: {reasons[0]} ({len(reasons)} tests)", red=True, bold=True)
    terminalreporter.write_line(
        "conformance/ and integration/ held their networks to drawn pictures, not to faces",
        red=True,
        bold=True,
    )


@pytest.fixture
def write_rafdb() -> WriteRafdb:
    """Writes RAF-DB's official layout; image ``n`` of the entries is uniformly of the grey ``n``."""

    def write(root: Path, entries: Sequence[tuple[str, int]]) -> Path:
        (root / "EmoLabel").mkdir(parents=True)
        (root / "Image" / "aligned").mkdir(parents=True)
        for grey, (name, _) in enumerate(entries):
            image = Image.new("RGB", (100, 100), (grey, grey, grey))
            image.save(root / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg"), quality=100)
        lines = "".join(f"{name} {label}\n" for name, label in entries)
        (root / "EmoLabel" / "list_patition_label.txt").write_text(lines)
        return root

    return write


@pytest.fixture
def write_folder() -> WriteFolder:
    """Writes one sub-folder per class with so many PNGs, each uniformly of the grey of its number."""

    def write(root: Path, counts: Mapping[str, int]) -> Path:
        for label, count in counts.items():
            (root / label).mkdir(parents=True)
            for grey in range(count):
                Image.new("L", (20, 20), grey).save(root / label / f"{grey:03}.png")
        return root

    return write


@pytest.fixture
def write_npz() -> WriteNpz:
    """Writes an npz with the keys of the real one: random, all different images, ten votes on one emotion.

    Rows go round the classes and the splits are Training, PublicTest, PrivateTest in equal thirds. Keyword
    arguments replace arrays; None leaves one out.
    """

    def write(path: Path, rows: int = 30, **replaced: np.ndarray | None) -> Path:
        votes = np.zeros((rows, 10), dtype=np.int16)
        votes[np.arange(rows), np.arange(rows) % 8] = 10
        arrays: dict[str, np.ndarray | None] = {
            "images": np.random.default_rng(0).integers(0, 256, (rows, 48, 48), dtype=np.uint8),
            "emotion": (np.arange(rows) % 7).astype(np.uint8),
            "usage": np.repeat(["Training", "PublicTest", "PrivateTest"], rows // 3),
            "ferplus_votes": votes,
        }
        arrays |= replaced
        kept: dict[str, Any] = {key: value for key, value in arrays.items() if value is not None}
        np.savez_compressed(path, **kept)
        return path

    return write


#: Files that take longest, longest first, but neighbours that wait for the same fixture apart: worker processes take
#: files in this order, and what is long and last would run alone.
_FIRST = (
    "targets/test_one_folder.py",
    "targets/test_architectures.py",
    "quantize/test_proof.py",
    "pipeline/test_run_faults.py",
    "conformance/test_networks.py",
    "experiments/test_card.py",
    "pipeline/test_store.py",
    "experiments/test_study.py",
    "pipeline/test_resume.py",
    "pipeline/test_without_data.py",
    "gate/test_random.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    ranks = {root / name: rank for rank, name in enumerate(_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
