"""The Android demo driven by adb where no native runner can run, on a real adbd.

Android's ``am`` and ``pm`` and the app behind them are played (adb_phone.sh, pretended_demo.py): there is no Android
here. One test plays the app with the demo's own Kotlin code on a JVM.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from fer_deploy.cli import main
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.runners.job import ONNX_RUNNER
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.adb import AdbTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.measure.latency import all_runtime_figures
from fer_deploy.measure.measurement import Provenance
from fer_deploy.targets.artifact import INFO_FILE, Artifact, open_artifact
from fixtures import pretended_demo
from fixtures.adb_lab import AdbLab

pytestmark = pytest.mark.adb
QUICK = TimingProtocol(warmups=5, min_runs=40, min_seconds=0)
DEMO = shlex.join([sys.executable, str(Path(pretended_demo.__file__)), str(ONNX_RUNNER)]) + ' "$@"\n'


@pytest.fixture
def artifact(artifacts: dict[str, Artifact]) -> Artifact:
    return artifacts["onnx-w8a8-ptq"]


def _nothing_left(lab: AdbLab) -> bool:
    return lab.storage() == [] and lab.demo_results() == [] and not lab.demo_runs()


def test_the_same_logits_as_here_and_nothing_left(
    adb_lab: AdbLab, artifact: Artifact, images: NDArray[np.uint8]
) -> None:
    adb_lab.plug(demo=DEMO)
    transport = AdbTransport(profile=load_profile("pixel-8"))

    assert transport.obstacle("onnx") is None
    there = transport.logits(artifact, images[:20])

    np.testing.assert_array_equal(there, HostTransport().logits(artifact, images[:20]))
    assert _nothing_left(adb_lab)


def test_timing_has_the_same_fields_as_a_native_runner_s(adb_lab: AdbLab, artifact: Artifact) -> None:
    adb_lab.plug(demo=DEMO)

    result = AdbTransport().time(artifact, QUICK)

    assert len(result.samples_ms) == 40
    assert result.golden_difference == 0
    assert result.before is not None
    assert result.before.battery_percent == 81
    assert result.after is not None
    assert result.after.airplane_mode is True
    assert _nothing_left(adb_lab)


def test_a_report_has_native_and_demo_figures_of_one_phone(
    adb_lab: AdbLab, artifacts: dict[str, Artifact], host_runner: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    adb_lab.plug(demo=DEMO)
    monkeypatch.setattr("fer_deploy.devices.transports.remote.find_runner", lambda _: host_runner)
    both = (artifacts["executorch-w8a8-ptq"], artifacts["onnx-w8a8-ptq"])

    for figures in all_runtime_figures(both, load_profile("pixel-8"), QUICK):
        assert figures.latency_p50.provenance is Provenance.MEASURED
        assert figures.latency_p50.conditions["battery percent after"] == "81.0"
    assert _nothing_left(adb_lab)


def test_the_demo_s_figure_comes_before_the_runner_s_which_says_what_it_is(
    adb_lab: AdbLab, artifacts: dict[str, Artifact], host_runner: Bundle
) -> None:
    artifact = artifacts["executorch-w8a8-ptq"]
    serial = adb_lab.plug(
        demo='mkdir -p "$2"; echo "this build has no runtime for executorch" > "$2/error.txt"\n'
    )
    by_runner = AdbTransport(bundle=host_runner).time(artifact, QUICK)
    assert by_runner.runtime_version.endswith("a glibc build, not an app's")
    assert by_runner.golden_difference == 0
    adb_lab.unplug()
    adb_lab.plug(demo='mkdir -p "$2"; echo "it is broken" > "$2/error.txt"\n')
    with pytest.raises(DeviceError, match="Android demo says: it is broken"):
        AdbTransport(serial, bundle=host_runner).time(artifact, QUICK)
    # what an app cannot do goes to the runner
    pinned = AdbTransport(serial, bundle=host_runner).time(artifact, QUICK.model_copy(update={"cores": (0,)}))
    assert pinned.cores == (0,)
    assert _nothing_left(adb_lab)


@pytest.mark.parametrize(
    ("sold_as", "name"),
    [("Pixel 8", "pixel-8"), ("Pixel 9", "pixel-9"), ("Pixel 99", "google-pixel-99")],
)
def test_pixel_is_measured_on_the_pixel_attached(
    adb_lab: AdbLab, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, sold_as: str, name: str
) -> None:
    adb_lab.plug(model=sold_as, demo=DEMO)
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    result = CliRunner().invoke(main, ["profile", str(artifact.folder), "--device", "pixel", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["name"], report["asked"]) == (name, "pixel")
    assert report["figures"][0]["latency_p50"]["provenance"] == "measured"
    assert _nothing_left(adb_lab)


def test_without_the_demo_the_obstacle_says_how_to_install_it(adb_lab: AdbLab, artifact: Artifact) -> None:
    adb_lab.plug()

    obstacle = AdbTransport().obstacle("onnx")
    assert obstacle is not None
    assert "adb install -r android_demo/build/fer-demo.apk" in obstacle
    with pytest.raises(DeviceError, match=r"Android has no Python .* is not installed on phone"):
        AdbTransport().time(artifact, QUICK)
    assert _nothing_left(adb_lab)


def test_what_the_demo_alone_runs_needs_it_and_a_build_that_has_its_runtime(
    adb_lab: AdbLab, artifact: Artifact
) -> None:
    adb_lab.plug()
    assert "litert artifacts are run by the Android demo alone, which is not installed" in str(
        AdbTransport().obstacle("litert")
    )
    adb_lab.unplug()
    adb_lab.plug(demo='mkdir -p "$2"; echo "this build has no runtime for litert" > "$2/error.txt"\n')
    assert AdbTransport().obstacle("litert") is None
    other = replace(artifact, info=artifact.info.model_copy(update={"target": "litert"}))
    with pytest.raises(DeviceError, match="Android demo says: this build has no runtime for litert"):
        AdbTransport().time(other, QUICK)
    assert _nothing_left(adb_lab)


def test_executorch_goes_by_the_demo_where_the_runner_is_not_built(
    adb_lab: AdbLab, artifacts: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    adb_lab.plug(demo='mkdir -p "$2"; echo "this build has no runtime for executorch" > "$2/error.txt"\n')
    monkeypatch.setattr("fer_deploy.devices.transports.remote.find_runner", lambda _: None)

    assert AdbTransport().obstacle("executorch") is None
    with pytest.raises(DeviceError, match="Android demo says: this build has no runtime for executorch"):
        AdbTransport().time(artifacts["executorch-float"], QUICK)
    assert _nothing_left(adb_lab)


def test_what_the_demo_cannot_do_is_refused(adb_lab: AdbLab, artifact: Artifact) -> None:
    adb_lab.plug(demo=DEMO)
    with pytest.raises(DeviceError, match="cannot be pinned to cores"):
        AdbTransport().time(artifact, QUICK.model_copy(update={"cores": (0,)}))
    with pytest.raises(DeviceError, match="gives no per-layer profile"):
        AdbTransport().trace(artifact, QUICK)
    assert _nothing_left(adb_lab)


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("true", "the Android demo ended without a result"),
        (
            'mkdir "$2"; echo "wrong logits" > "$2/error.txt"',
            r"failed \(exit 3\): the Android demo says: wrong logits",
        ),
        ('mkdir "$2"; touch "$2/result.json"', "left results that cannot be read"),
        (
            'mkdir "$2"; head -c 192 /dev/zero > "$2/logits.f32"; echo "{" > "$2/result.json"',
            "returned garbage instead of the timing",
        ),
        (
            'mkdir "$2"; head -c 7 /dev/zero > "$2/logits.f32"; '
            'echo \'{"runtime_version": "1", "threads": 1, "load_ms": 1, "first_ms": 1, "samples_ms": [1], '
            '"peak_memory_bytes": null}\' > "$2/result.json"',
            "returned garbage: 7 bytes of logits",
        ),
    ],
)
def test_a_demo_that_fails(adb_lab: AdbLab, artifact: Artifact, script: str, match: str) -> None:
    adb_lab.plug(demo=script + "\n")
    with pytest.raises(DeviceError, match=match):
        AdbTransport().time(artifact, QUICK)
    assert _nothing_left(adb_lab)


def test_a_demo_that_hangs_is_ended(adb_lab: AdbLab, artifact: Artifact) -> None:
    adb_lab.plug(demo="sleep 1000\n")
    protocol = QUICK.model_copy(update={"max_seconds": 1})
    with pytest.raises(DeviceError, match=r"took over 6 s and was stopped"):
        AdbTransport(start_seconds=5).time(artifact, protocol)
    assert _nothing_left(adb_lab)


def test_unplugged_while_the_demo_runs(
    adb_lab: AdbLab, artifact: Artifact, images: NDArray[np.uint8]
) -> None:
    """The phone lives on with the demo; the next run ends it and takes its folder."""
    serial = adb_lab.plug(demo=f'[ -n "$3" ] && exec -a org.ferdeploy.demo:benchmark sleep 1000\n{DEMO}')
    transport = AdbTransport()

    def lose_the_link() -> None:
        while not adb_lab.demo_runs():
            time.sleep(0.05)
        adb_lab.adb("disconnect", serial)

    hand = threading.Thread(target=lose_the_link)
    hand.start()
    with pytest.raises(DeviceError, match="was disconnected"):
        transport.time(artifact, QUICK)
    hand.join()

    adb_lab.adb("connect", serial)
    assert adb_lab.demo_runs()
    assert transport.logits(artifact, images[:1]).shape == (1, 8)
    assert _nothing_left(adb_lab)


def test_a_hostile_file_name_replaces_nothing_on_the_phone(
    adb_lab: AdbLab, artifact: Artifact, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    hostile = tmp_path / "$(touch trap); touch trap"
    shutil.copytree(artifact.folder, hostile)
    (hostile / artifact.info.file).rename(hostile / "demo_runner.sh")
    info = artifact.info.model_copy(update={"file": "demo_runner.sh"})
    (hostile / INFO_FILE).write_text(info.model_dump_json())
    adb_lab.plug(demo=DEMO)

    there = AdbTransport().logits(open_artifact(hostile), images[:2])

    np.testing.assert_array_equal(there, HostTransport().logits(artifact, images[:2]))
    assert not Path("trap").exists()
    assert _nothing_left(adb_lab)
