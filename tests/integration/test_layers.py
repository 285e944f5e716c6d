"""The runtimes' own profilers on real artifacts, over real links."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.emulated import EmulatedTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.devices.transports.ssh import SshTransport
from fer_deploy.errors import DeviceError
from fer_deploy.files import sha256_of
from fer_deploy.measure.layer_times import LayerProfile, profile_layers, read_trace
from fer_deploy.quiet import quiet
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.ssh_lab import SshLab

QUICK = TimingProtocol(warmups=5, min_runs=40, min_seconds=0)


def check(profile: LayerProfile, artifact: Artifact) -> None:
    assert artifact.info.costs is not None
    macs = sum(int(layer.macs.value or 0) for layer in profile.layers)
    assert macs == artifact.info.costs.macs
    assert sum(layer.share.value or 0 for layer in profile.layers) == pytest.approx(1)
    assert profile.total.value == pytest.approx(sum(layer.time.value or 0 for layer in profile.layers))
    busiest = max(profile.layers, key=lambda layer: layer.time.value or 0)
    assert busiest.macs.known


@pytest.mark.parametrize("key", ["onnx-float", "onnx-w8a8-ptq"])
def test_onnx_here(key: str, artifacts: dict[str, Artifact]) -> None:
    profile = profile_layers(HostTransport(), artifacts[key], QUICK)

    check(profile, artifacts[key])
    assert profile.not_delegated == ()
    assert {layer.place for layer in profile.layers} == {"CPU"}


@pytest.mark.usefixtures("host_runner")
@pytest.mark.parametrize("key", ["executorch-float", "executorch-w8a8-ptq"])
def test_executorch_here(key: str, artifacts: dict[str, Artifact]) -> None:
    profile = profile_layers(HostTransport(), artifacts[key], QUICK)

    check(profile, artifacts[key])
    assert profile.not_delegated == ()
    assert {layer.place for layer in profile.layers} == {"XNNPACK"}


@pytest.mark.ssh
@pytest.mark.parametrize("key", ["executorch-w8a8-ptq", "onnx-w8a8-ptq"])
def test_over_ssh(key: str, artifacts: dict[str, Artifact], ssh_lab: SshLab, host_runner: Bundle) -> None:
    profile = profile_layers(SshTransport("pi", ssh_lab.config, host_runner), artifacts[key], QUICK)

    check(profile, artifacts[key])
    assert list(ssh_lab.home.iterdir()) == []


@pytest.mark.usefixtures("host_runner")
def test_what_no_delegate_takes_is_named(tmp_path: Path, artifacts: dict[str, Artifact]) -> None:
    """A real program, lowered without a partitioner: every operator is ExecuTorch's own kernel."""
    import torch

    with quiet():
        from executorch.exir import to_edge_transform_and_lower

        module = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, stride=4), torch.nn.Flatten(), torch.nn.LazyLinear(8)
        )
        image = torch.zeros(1, 1, 48, 48)
        module(image)
        program = to_edge_transform_and_lower(torch.export.export(module.eval(), (image,))).to_executorch()
    source = artifacts["executorch-float"]
    shutil.copytree(source.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.pte").write_bytes(bytes(program.buffer))
    for name, key in (("artifact.json", "sha256"), ("golden.json", "artifact_sha256")):
        document = json.loads((source.folder / name).read_text())
        document[key] = sha256_of(tmp_path / "model.pte")
        (tmp_path / name).write_text(json.dumps(document))

    profile = profile_layers(HostTransport(), open_artifact(tmp_path), QUICK)

    assert {layer.place for layer in profile.layers} == {"not delegated"}
    assert any("convolution" in name for name in profile.not_delegated)
    # the costs are another network's, and that is found out
    assert not any(layer.macs.known for layer in profile.layers)
    assert profile.layers[0].macs.reason is not None
    assert "multiplying operators, the graph has" in profile.layers[0].macs.reason


def test_an_emulated_device_is_not_profiled(artifacts: dict[str, Artifact]) -> None:
    with pytest.raises(DeviceError, match="emulated time is not latency"):
        profile_layers(EmulatedTransport("cortex-a76"), artifacts["executorch-float"], QUICK)


@pytest.mark.parametrize("target", ["executorch", "onnx", "coreml"])
def test_garbage_is_one_sentence(target: str) -> None:
    with pytest.raises(DeviceError, match=f"profile of {target}"):
        read_trace(target, np.random.default_rng(0).bytes(100))
