"""The adb transport against a real adbd, with every fault that can be planted."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.attached import READY, look_around
from fer_deploy.devices.profile import load_profile, load_profiles
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.adb import AdbTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.measure.latency import all_runtime_figures
from fer_deploy.measure.measurement import Provenance
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.adb_lab import AdbLab

pytestmark = pytest.mark.adb
QUICK = TimingProtocol(warmups=5, min_runs=40, min_seconds=0)
ENDLESS = TimingProtocol(min_runs=10**9, min_seconds=0, max_seconds=300)


@pytest.fixture
def artifact(artifacts: dict[str, Artifact]) -> Artifact:
    return artifacts["executorch-w8a8-ptq"]


def test_the_same_logits_as_here_and_nothing_left(
    adb_lab: AdbLab, artifact: Artifact, images: NDArray[np.uint8], host_runner: Bundle
) -> None:
    adb_lab.plug()
    transport = AdbTransport(profile=load_profile("pixel-8"), bundle=host_runner)

    assert transport.obstacle("executorch") is None
    there = transport.logits(artifact, images[:50])

    np.testing.assert_array_equal(there, HostTransport().logits(artifact, images[:50]))
    assert adb_lab.storage() == []


def test_timing_records_the_phones_state(adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle) -> None:
    adb_lab.plug()

    result = AdbTransport(bundle=host_runner).time(artifact, QUICK)

    assert len(result.samples_ms) == 40
    assert result.golden_difference == 0
    assert result.before is not None
    assert result.before.battery_percent == 81
    assert result.before.charging is True
    assert result.before.temperature_celsius == 31.2
    assert result.before.airplane_mode is True
    assert result.before.thermal_status == 0
    assert result.before.missing == {}
    assert adb_lab.storage() == []


def test_attached_phones_and_their_profiles(adb_lab: AdbLab) -> None:
    adb_lab.plug(5555, model="Pixel 8")
    adb_lab.plug(5557, model="Nokia 3310")

    found = look_around(load_profiles())

    assert found.not_seen == ()
    assert sorted((one.address, one.state, one.model, one.profile) for one in found.attached) == [
        ("127.0.0.1:5555", READY, "Pixel 8", "pixel-8"),
        ("127.0.0.1:5557", READY, "Nokia 3310", None),
    ]


def test_no_phone(adb_lab: AdbLab, artifact: Artifact) -> None:
    with pytest.raises(DeviceError, match="no phone is attached"):
        AdbTransport().time(artifact, QUICK)
    assert adb_lab.adb("devices").stdout.strip() == "List of devices attached"


def test_two_phones_need_a_choice(adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle) -> None:
    adb_lab.plug(5555)
    second = adb_lab.plug(5557)

    with pytest.raises(
        DeviceError, match=r"2 phones are attached \(127.0.0.1:5555: device, 127.0.0.1:5557: device\); choose"
    ):
        AdbTransport(bundle=host_runner).time(artifact, QUICK)
    result = AdbTransport(second, bundle=host_runner).time(artifact, QUICK)

    assert len(result.samples_ms) == 40


def test_another_phone_than_the_profiles_is_refused(adb_lab: AdbLab, artifact: Artifact) -> None:
    adb_lab.plug(model="Pixel 6")

    with pytest.raises(DeviceError, match=r"is not Google Pixel 8: its ro.product.model is 'Pixel 6'"):
        AdbTransport(profile=load_profile("pixel-8")).time(artifact, QUICK)
    assert adb_lab.storage() == []


def test_unplugged_in_mid_run(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, images: NDArray[np.uint8]
) -> None:
    adb_lab.plug()
    transport = AdbTransport(bundle=host_runner)
    earlier = transport.time(artifact, QUICK)

    def pull_the_plug() -> None:
        while not _running(adb_lab):
            time.sleep(0.05)
        adb_lab.unplug()

    hand = threading.Thread(target=pull_the_plug)
    hand.start()
    with pytest.raises(DeviceError, match="was disconnected while running executorch-w8a8-ptq on it"):
        transport.time(artifact, ENDLESS)
    hand.join()

    assert len(earlier.samples_ms) == 40
    adb_lab.plug()
    assert transport.logits(artifact, images[:1]).shape == (1, 8)
    assert adb_lab.storage() == []


def test_a_report_keeps_what_was_measured_before_the_phone_went(
    adb_lab: AdbLab, artifacts: dict[str, Artifact], host_runner: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    adb_lab.plug()
    monkeypatch.setattr("fer_deploy.devices.transports.remote.find_runner", lambda _: host_runner)
    one, two = artifacts["executorch-float"], artifacts["executorch-w8a8-ptq"]
    long = TimingProtocol(min_runs=10**9, min_seconds=0, max_seconds=6)  # 3 s a turn

    def pull_the_plug_in_the_second_turn() -> None:
        for state in (True, False, True):
            while _running(adb_lab) != state:
                time.sleep(0.05)
        adb_lab.unplug()

    hand = threading.Thread(target=pull_the_plug_in_the_second_turn)
    hand.start()
    first, second = all_runtime_figures((one, two), load_profile("pixel-8"), long)
    hand.join()

    assert first.latency_p50.provenance is Provenance.MEASURED
    assert first.latency_p50.conditions["verdict"].startswith("INVALID: too few samples")
    assert first.latency_p50.conditions["battery percent before"] == "81.0"
    assert second.latency_p50.provenance is Provenance.NOT_MEASURED
    assert "was disconnected while running executorch-w8a8-ptq on it" in str(second.latency_p50.reason)


def test_a_phone_that_is_not_there_is_estimated_and_says_so(
    adb_lab: AdbLab,  # noqa: ARG001 - no phone is plugged in
    artifact: Artifact,
) -> None:
    (figures,) = all_runtime_figures((artifact,), load_profile("pixel-8"), QUICK)

    assert figures.latency_p50.provenance is not Provenance.MEASURED
    assert figures.latency_p50.conditions.get("not measured because", "").startswith(
        "no phone is attached"
    ) or ("no phone is attached" in str(figures.latency_p50.reason))
    assert figures.latency_p90.provenance is Provenance.NOT_MEASURED


def test_the_cable_is_back_before_the_old_runner_ended(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, images: NDArray[np.uint8]
) -> None:
    """adb lost the phone, but the phone lived on: the next run ends the old runner and takes its folder."""
    serial = adb_lab.plug()
    transport = AdbTransport(bundle=host_runner)

    def lose_the_link() -> None:
        while not _running(adb_lab):
            time.sleep(0.05)
        adb_lab.adb("disconnect", serial)

    hand = threading.Thread(target=lose_the_link)
    hand.start()
    with pytest.raises(DeviceError, match="was disconnected"):
        transport.time(artifact, ENDLESS)
    hand.join()

    adb_lab.adb("connect", serial)
    assert transport.logits(artifact, images[:1]).shape == (1, 8)
    assert adb_lab.storage() == []
    assert not _running(adb_lab)


def test_full_disk(adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle) -> None:
    adb_lab.plug(storage="4m")

    with pytest.raises(DeviceError, match=r"phone 127.0.0.1:5555 is full: copying the runner"):
        AdbTransport(bundle=host_runner).time(artifact, QUICK)
    assert adb_lab.storage() == []


def test_a_phone_of_another_architecture(adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle) -> None:
    adb_lab.plug(machine="armv7l")
    with pytest.raises(DeviceError, match="is armv7l; runners exist for x86_64 and aarch64 only"):
        AdbTransport().time(artifact, QUICK)

    adb_lab.unplug()
    adb_lab.plug(machine="aarch64" if os.uname().machine == "x86_64" else "x86_64")
    with pytest.raises(
        DeviceError, match=r"the runner in .* is for .* but phone .* is .*build the right one"
    ):
        AdbTransport(bundle=host_runner).time(artifact, QUICK)
    assert adb_lab.storage() == []


def test_a_runner_that_the_phone_cannot_start(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, tmp_path: Path
) -> None:
    """The phone says one architecture and is another: its kernel refuses the runner."""
    foreign = Bundle(tmp_path / "foreign", host_runner.arch)
    shutil.copytree(host_runner.folder, foreign.folder)
    loader = foreign.folder / Path(foreign.start[0]).name
    header = bytearray(loader.read_bytes())
    header[18:20] = (8).to_bytes(2, "little")  # e_machine = EM_MIPS
    loader.write_bytes(header)
    adb_lab.plug()

    with pytest.raises(DeviceError, match="cannot start the runner: it is built for another architecture"):
        AdbTransport(bundle=foreign).time(artifact, QUICK)
    assert adb_lab.storage() == []


def test_a_runner_that_hangs(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, tmp_path: Path
) -> None:
    adb_lab.plug()
    hung = _replaced(host_runner, tmp_path, "exec sleep 1000")
    protocol = QUICK.model_copy(update={"max_seconds": 1})

    with pytest.raises(DeviceError, match=r"running .* on phone .* took over 4 s and was stopped"):
        AdbTransport(bundle=hung, start_seconds=3).time(artifact, protocol)
    assert adb_lab.storage() == []
    assert "sleep 1000" not in adb_lab.adb("shell", "ps -ef || ps").stdout


@pytest.mark.parametrize(
    ("script", "match"),
    [
        (
            "head -c 1000 /dev/urandom > result.json; head -c 192 /dev/zero > logits.f32",
            "returned garbage instead",
        ),
        ("echo '{}' > result.json; head -c 192 /dev/zero > logits.f32", "garbage instead of the timing"),
        ("echo bye >&2; exit 3", r"failed \(exit 3\): bye"),
        ("true", "fetching logits.f32 .* failed"),
    ],
)
def test_garbage(
    script: str, match: str, adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, tmp_path: Path
) -> None:
    adb_lab.plug()

    with pytest.raises(DeviceError, match=match):
        AdbTransport(bundle=_replaced(host_runner, tmp_path, script)).time(artifact, QUICK)
    assert adb_lab.storage() == []


@pytest.mark.parametrize("logits", ["head -c 191 /dev/zero", r"yes '\0377' | tr -d '\n' | head -c 192"])
def test_garbage_logits(
    logits: str,
    adb_lab: AdbLab,
    artifact: Artifact,
    host_runner: Bundle,
    tmp_path: Path,
    images: NDArray[np.uint8],
) -> None:
    adb_lab.plug()
    if logits.startswith("yes"):
        logits = r"i=0; while [ $i -lt 192 ]; do printf '\377'; i=$((i+1)); done"
    script = f"({logits}) > logits.f32; echo x > result.json"

    with pytest.raises(DeviceError, match="returned garbage: "):
        AdbTransport(bundle=_replaced(host_runner, tmp_path, script)).logits(artifact, images[:6])
    assert adb_lab.storage() == []


def test_a_busy_phone_is_refused_and_left_alone(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle
) -> None:
    adb_lab.plug()
    made = "mkdir /data/local/tmp/fer-deploy-run && echo other 4711 $(($(date +%s) + 600)) > "
    adb_lab.adb("shell", made + "/data/local/tmp/fer-deploy-run/owner")

    with pytest.raises(DeviceError, match=r"is busy: process 4711 of other holds .* for at most \d+ s more"):
        AdbTransport(bundle=host_runner).time(artifact, QUICK)
    assert adb_lab.storage() == ["fer-deploy-run"]


def test_hostile_names_reach_no_shell(
    adb_lab: AdbLab, artifact: Artifact, host_runner: Bundle, tmp_path: Path, images: NDArray[np.uint8]
) -> None:
    adb_lab.plug()
    hostile = tmp_path / "-s x; touch trap $(touch trap) `touch trap` 'trap\" \n"
    shutil.copytree(artifact.folder, hostile)

    transport = AdbTransport(bundle=host_runner)
    assert transport.logits(open_artifact(hostile), images[:1]).shape == (1, 8)
    assert transport.getprop("x; touch /data/local/tmp/trap") == ""
    with pytest.raises(DeviceError, match="is not attached"):
        AdbTransport("-s; touch trap").time(artifact, QUICK)

    assert adb_lab.storage() == []
    assert not Path("trap").exists()


def _replaced(bundle: Bundle, folder: Path, script: str) -> Bundle:
    """Return a bundle whose runner is a shell script."""
    other = Bundle(folder / "replaced", bundle.arch)
    other.folder.mkdir()
    loader = other.folder / Path(other.start[0]).name
    loader.write_text(f"#!/bin/sh\n{script}\n")
    return other


def _running(lab: AdbLab) -> bool:
    return "--min-runs" in lab.adb("shell", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").stdout
