"""What an NPU's compiler estimates, as figures of a device: time at its clock, memory, or why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.frozen import Unknown
from fer_deploy.measure.compiled import compiled_delegates, compiled_runtime
from fer_deploy.measure.latency import runtime_figures
from fer_deploy.measure.measurement import NO_INTERVAL, Provenance
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.executorch import ExecuTorchTarget
from fer_deploy.targets.inspection import CompilerEstimate
from fixtures.lowered import Lower

SAID = CompilerEstimate(
    accelerator="ethos-u55-128", compiler="Vela 5.2.0", configuration="High_End, Shared_Sram", operators=40,
    cycles=640_000, clock_mhz=500, sram_bytes=79_360, flash_bytes=462_032, dram_bytes=0,
)  # fmt: skip


@pytest.fixture
def artifact(lowered: Lower) -> Artifact:
    return lowered("executorch", "w8a8-ptq")[0]


def says(monkeypatch: pytest.MonkeyPatch, found: CompilerEstimate | Unknown) -> None:
    def estimate(_: Any, __: Path) -> CompilerEstimate | Unknown:
        return found

    monkeypatch.setattr(ExecuTorchTarget, "estimate", estimate)


@pytest.mark.parametrize(("device", "milliseconds"), [("ethos-u55-128", 1.28), ("corstone-300", 20.0)])
def test_time_is_that_of_the_profiles_clock(
    device: str, milliseconds: float, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, SAID)
    found = runtime_figures(artifact, load_profile(device), TimingProtocol())
    assert found.latency_p50.value == pytest.approx(milliseconds)
    assert found.latency_p50.provenance is Provenance.ESTIMATED
    assert found.latency_p50.interval is None
    assert found.latency_p50.conditions[NO_INTERVAL].startswith("not known: the compiler states none")
    assert ("as fast beside the NPU's clock" in found.latency_p50.conditions["note"]) == (milliseconds > 2)
    assert not found.latency_p90.known
    assert found.compiled is not None
    assert (found.compiled.operators, found.compiled.on_cpu) == (40, 0)
    assert found.compiled.sram.value == 79_360
    assert found.compiled.flash.provenance is Provenance.ESTIMATED


def test_no_clock_no_time(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, SAID.model_copy(update={"accelerator": "ethos-u85-256"}))
    found = compiled_runtime(artifact, load_profile("alif-ensemble-e8"))
    assert found is not None
    assert found.latency_p50.reason is not None
    assert found.latency_p50.reason.startswith("640,000 cycles, estimated by Vela 5.2.0")
    assert "no public source was found for the clock of its Arm Ethos-U85-256" in found.latency_p50.reason
    assert found.compiled is not None
    assert found.compiled.sram_of == 8 * 2**20


def test_another_npus_program_is_not_taken_for_it(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, SAID)
    for device in ("alif-ensemble-e8", "pixel-8"):
        found = compiled_runtime(artifact, load_profile(device))
        assert found is not None
        assert found.latency_p50.reason is not None
        assert "it is compiled for ethos-u55-128, which" in found.latency_p50.reason
    says(monkeypatch, Unknown(reason="the network is in 2 pieces"))
    found = compiled_runtime(artifact, load_profile("corstone-300"))
    assert found is not None
    assert found.for_npu
    assert found.latency_p50.reason == "the network is in 2 pieces"


def test_a_program_for_a_cpu(artifact: Artifact) -> None:
    found = compiled_runtime(artifact, load_profile("corstone-300"))
    assert found is not None
    assert found.latency_p50.reason is not None
    assert "it is compiled for ExecuTorch XNNPACK" in found.latency_p50.reason
    assert "export it with that delegate" in found.latency_p50.reason
    assert compiled_runtime(artifact, load_profile("pixel-8")) is None
    assert compiled_delegates(load_profile("galaxy-s24"), "onnx") == ()
    assert compiled_delegates(load_profile("corstone-300"), "no-target") == ()
