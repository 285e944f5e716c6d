"""The wheel holds everything that a checkout has, and works without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow  # pip fetches the build backend


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel, built from this checkout, is unpacked into."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0 and "hatchling" in done.stderr:
        pytest.skip("no wheel can be built: pip finds no hatchling; connect to a package index")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("fer_deploy-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_file_of_the_package_and_every_profile_is_in_it(unpacked: Path) -> None:
    packed = _files(unpacked / "fer_deploy")
    assert _files(ROOT / "fer_deploy") - packed == set()
    assert _files(ROOT / "profiles") == _files(unpacked / "fer_deploy" / "_profiles")
    for name in (
        "devices/estimator/data/cpu_rows.csv",
        "devices/runners/cpp/runner.cpp",
        "devices/runners/browser/driver.mjs",
        "devices/runners/demo_runner.sh",
        "views/templates/report.html.j2",
        "py.typed",
    ):
        assert name in packed


def test_nothing_but_the_package_is_in_it(unpacked: Path) -> None:
    assert {path.name.split("-")[0] for path in unpacked.iterdir()} == {"fer_deploy"}


def test_profiles_and_estimator_work_from_the_wheel_alone(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import fer_deploy, json\n"
        "from fer_deploy.devices.profile import load_profiles\n"
        "from fer_deploy.devices.estimator.rows import calibration_rows\n"
        "from fer_deploy.devices.estimator.estimate import estimate_latency\n"
        "profiles = {one.name: one for one in load_profiles()}\n"
        "costs = calibration_rows()[0].costs\n"
        "found = estimate_latency(profiles['raspberry-pi-4'], costs, 'int8', 'executorch', 4)\n"
        "print(json.dumps([fer_deploy.__file__, sorted(profiles), found.low, found.high]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, profiles, low, high = json.loads(done.stdout)
    assert Path(file).is_relative_to(unpacked)
    assert profiles == sorted(path.stem for path in (ROOT / "profiles").glob("*.toml"))
    assert 0 < low < high
