"""The ssh transport against a real sshd."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.attached import READY, look_around
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.profile_schema import Match
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.devices.transports.open import open_transport
from fer_deploy.devices.transports.ssh import SshTransport
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.ssh_lab import SshLab

pytestmark = pytest.mark.ssh
QUICK = TimingProtocol(warmups=5, min_runs=40, min_seconds=0)


@pytest.mark.parametrize("key", ["executorch-w8a8-ptq", "onnx-w8a8-ptq"])
def test_the_same_logits_as_here_and_nothing_left(
    key: str,
    ssh_lab: SshLab,
    artifacts: dict[str, Artifact],
    images: NDArray[np.uint8],
    host_runner: Bundle,
) -> None:
    transport = SshTransport("pi", ssh_lab.config, host_runner)
    artifact = artifacts[key]

    assert transport.obstacle(artifact.info.target) is None
    there = transport.logits(artifact, images[:20])

    np.testing.assert_array_equal(there, HostTransport().logits(artifact, images[:20]))
    assert list(ssh_lab.home.iterdir()) == []


@pytest.mark.parametrize("key", ["executorch-float", "onnx-float"])
def test_timing_keeps_samples_pinning_and_the_golden_check(
    key: str, ssh_lab: SshLab, artifacts: dict[str, Artifact], host_runner: Bundle
) -> None:
    core = min(os.sched_getaffinity(0))

    result = SshTransport("pi", ssh_lab.config, host_runner).time(
        artifacts[key], QUICK.model_copy(update={"cores": (core,)})
    )

    assert len(result.samples_ms) == 40
    assert min(result.samples_ms) > 0
    assert result.cores == (core,)
    assert result.golden_difference is not None
    assert result.golden_tolerance is not None
    assert result.golden_difference <= result.golden_tolerance
    assert result.before is not None
    assert result.before.missing["airplane_mode"] == "not asked of an ssh host"
    assert list(ssh_lab.home.iterdir()) == []


def test_a_runner_that_hangs_is_stopped_and_cleaned_up(
    ssh_lab: SshLab, artifacts: dict[str, Artifact], host_runner: Bundle
) -> None:
    transport = SshTransport("pi", ssh_lab.config, host_runner, start_seconds=5)
    endless = TimingProtocol(min_runs=10**9, min_seconds=0, max_seconds=1e6)

    with pytest.raises(DeviceError, match=r"took over \d+ s and was stopped"):
        _HurriedSsh(transport).time(artifacts["executorch-float"], endless)

    assert list(ssh_lab.home.iterdir()) == []
    assert not _runners(ssh_lab.home)


def test_a_busy_host_is_refused_and_left_alone(
    ssh_lab: SshLab, artifacts: dict[str, Artifact], images: NDArray[np.uint8], host_runner: Bundle
) -> None:
    lease = ssh_lab.home / ".fer-deploy-run"
    lease.mkdir()
    (lease / "owner").write_text("another-machine 4711 99999999999")

    with pytest.raises(DeviceError, match="busy: process 4711 of another-machine"):
        SshTransport("pi", ssh_lab.config, host_runner).logits(artifacts["executorch-float"], images[:1])

    assert (lease / "owner").exists()


def test_what_a_dead_run_left_is_removed(
    ssh_lab: SshLab, artifacts: dict[str, Artifact], images: NDArray[np.uint8], host_runner: Bundle
) -> None:
    lease = ssh_lab.home / ".fer-deploy-run"
    lease.mkdir()
    (lease / "owner").write_text("another-machine 4711 1")
    (lease / "junk").write_text("x")

    logits = SshTransport("pi", ssh_lab.config, host_runner).logits(artifacts["executorch-float"], images[:1])

    assert logits.shape == (1, 8)
    assert list(ssh_lab.home.iterdir()) == []


def test_hostile_artifact_names_reach_no_shell(
    ssh_lab: SshLab,
    artifacts: dict[str, Artifact],
    images: NDArray[np.uint8],
    host_runner: Bundle,
    tmp_path: Path,
) -> None:
    trap = ssh_lab.home / "trap"
    hostile = tmp_path / f"-rf $(touch {trap.name}); touch 'trap' `touch trap` host:x"
    shutil.copytree(artifacts["executorch-float"].folder, hostile)

    logits = SshTransport("pi", ssh_lab.config, host_runner).logits(open_artifact(hostile), images[:1])

    assert logits.shape == (1, 8)
    assert not trap.exists()
    assert not (Path.cwd() / "trap").exists()


@pytest.mark.parametrize("address", ["-oProxyCommand=touch trap", "pi; touch trap", "", "pi\nx", "$(id)"])
def test_hostile_addresses_are_refused(address: str) -> None:
    with pytest.raises(DeviceError, match="no ssh address"):
        SshTransport(address)


def test_a_host_that_is_not_there_is_one_sentence(ssh_lab: SshLab) -> None:
    config = ssh_lab.config.parent / "closed"
    config.write_text("Host gone\n  HostName 127.0.0.1\n  Port 1\n")

    obstacle = SshTransport("gone", config).obstacle()

    assert obstacle is not None
    assert "ssh host gone" in obstacle


def test_a_profile_with_an_address_of_its_own(
    ssh_lab: SshLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alias stands in the user's ssh configuration, which a test cannot write: a client that reads another."""
    client = tmp_path / "bin" / "ssh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {ssh_lab.config} "$@"\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FER_DEPLOY_ADB", "/nonexistent/adb")
    pi = load_profile("raspberry-pi-5").model_copy(update={"address": "pi"})
    anything = pi.model_copy(update={"match": Match()})

    (stranger,) = look_around([pi]).attached
    (host,) = look_around([anything]).attached

    assert "is not Raspberry Pi 5: it calls itself 'nothing'" in stranger.state
    assert stranger.profile is None
    assert (host.transport, host.address, host.state, host.profile) == ("ssh", "pi", READY, "raspberry-pi-5")
    assert open_transport(anything).obstacle() is None


class _HurriedSsh(SshTransport):
    """The same transport whose device-side limit ignores the protocol's, as if it were short."""

    def __init__(self, other: SshTransport) -> None:
        self.__dict__.update(other.__dict__)

    def _run_job(self, job, scratch, run_seconds):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return super()._run_job(job, scratch, 0)


def _runners(home: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(process, "cwd").readlink().is_relative_to(home):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
