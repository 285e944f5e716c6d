"""Ethos-U: the shared graph through TOSA and Vela, run by Arm's reference model of TOSA; refusals without either."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ConfigError, QuantizationError, TargetError
from fer_deploy.frozen import Unknown
from fer_deploy.targets.executorch import ExecuTorchOptions, ExecuTorchTarget, ethos_u
from fer_deploy.targets.executorch.delegates import BACKENDS
from fer_deploy.targets.proof import lower, prove_lowering
from fixtures.lowered import GraphOf

_missing = ethos_u.obstacle()
needs_tools = pytest.mark.skipif(_missing is not None, reason=str(_missing))


def target(delegate: str = "ethos-u55-128") -> ExecuTorchTarget:
    return ExecuTorchTarget(ExecuTorchOptions(delegate))  # type: ignore[arg-type]


def test_options() -> None:
    assert {"ethos-u55-128", "ethos-u65-256", "ethos-u85-256"} <= set(ethos_u.ACCELERATORS)
    assert BACKENDS["ethos-u55-128"] == "Ethos-U55-128"
    assert target("ethos-u85-256").runtime == "ExecuTorch Ethos-U85-256"
    with pytest.raises(
        ConfigError,
        match=r"unknown ExecuTorch delegate 'ethos-u55'; known: .*ethos-u55-128",
    ):
        ExecuTorchOptions("ethos-u55")  # type: ignore[arg-type]


def test_no_float_program(graph_of: GraphOf, tmp_path: Path) -> None:
    with pytest.raises(
        QuantizationError,
        match="no float program for ethos-u55-128; use w8a8-ptq or w8a8-qat",
    ):
        lower(target(), graph_of("float"), tmp_path)


def test_absent_packages_are_named(
    graph_of: GraphOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ethos_u, "is_there", lambda _: False)
    obstacle = target().host_obstacle()
    assert obstacle is not None
    assert obstacle.endswith(
        "add it: pip install 'fer-deploy[ethos-u]' && pip install --no-deps tosa-tools==2026.8.0"
    )
    with pytest.raises(
        QuantizationError,
        match="needs ethos-u-vela and tosa-tools, not installed here; add it",
    ):
        lower(target(), graph_of("w8a8-ptq"), tmp_path)
    file = tmp_path / "model.pte"
    file.write_bytes(b"...EthosUBackend...")
    with pytest.raises(TargetError, match="needs tosa-tools"):
        ExecuTorchTarget().open(file, threads=1)


def test_never_timed_here() -> None:
    said = target().timing_obstacle()
    assert said is not None
    assert "Vela's cycles are estimates" in said


def test_a_lone_program_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethos_u, "is_there", lambda _: True)
    file = tmp_path / "model.pte"
    file.write_bytes(b"...EthosUBackend...")
    with pytest.raises(
        TargetError,
        match="runs on an Ethos-U only: its TOSA graph is not beside it",
    ):
        ExecuTorchTarget().open(file, threads=1)


@needs_tools
@pytest.mark.parametrize("delegate", ["ethos-u55-128", "ethos-u65-256", "ethos-u85-256"])
def test_the_shared_graph(delegate: str, graph_of: GraphOf, test_faces: Faces, tmp_path: Path) -> None:
    graph, chosen = graph_of("w8a8-ptq"), target(delegate)
    lowered = chosen.lower(graph, tmp_path)
    assert lowered.delegation.not_delegated == {}
    assert lowered.delegation.delegated == lowered.delegation.total
    assert lowered.delegation.delegates == 1
    assert int(lowered.choices["estimated_cycles"]) > 0
    assert int(lowered.choices["estimated_sram_bytes"]) > 0
    assert lowered.choices["compiler"] == "Vela 5.2.0"
    assert (
        lowered.choices["parity_steps"]
        == "128 of 128 logits of 32 images are the shared graph's in exact arithmetic"
    )

    file = tmp_path / lowered.file
    inspected = chosen.inspect(file)
    assert isinstance(inspected.delegated, Unknown)
    assert inspected.advice[0].startswith("estimated by Vela 5.2.0 for Ethos_U")
    assert f"{lowered.choices['estimated_cycles']} cycles" in inspected.advice[0]
    assert str(tmp_path).encode() not in file.read_bytes()
    session = ExecuTorchTarget().open(file, threads=1)
    assert session.emulation is not None
    assert "before Vela" in session.emulation
    (beside,) = tmp_path.glob("*.tosa.npz")
    with np.load(beside) as kept:
        assert hashlib.sha256(kept["tosa"].tobytes()).hexdigest() == lowered.choices["tosa_sha256"]

    assert graph.scales is not None
    step = graph.scales.activations[-1].scale
    got = np.concatenate([session.run(image[None].astype(np.float32)) for image in test_faces.pixels])
    wanted = graph.logits(test_faces.pixels, "torch")
    assert np.abs(got - wanted).max() <= 1.001 * step
    assert prove_lowering(chosen, graph, file).images > 0

    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(TargetError, match="its TOSA graph is not beside it"):
        ExecuTorchTarget().open(file, threads=1)
