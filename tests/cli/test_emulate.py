"""``emulate`` where nothing can be emulated; with emulators it is tried in tests/integration/test_emulated.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from apps.make_artifact import COMMITTED
from fer_deploy.cli import main
from fer_deploy.contract import InputSpec
from fer_deploy.devices.transports.htp import Answer, Arrays, HtpTransport
from fer_deploy.measure.processor_parity import synthetic_pictures
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.onnx.apart import run_here
from fixtures.lowered import Lower
from fixtures.synthetic import input_spec


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["emulate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --device or --cpu"),
        (("--device", "pixel-8", "--cpu", "cortex-a53"), "give --device or --cpu"),
        (("--device", "iphone-15"), "names no qemu_cpu"),
        (("--device", "nokia"), "unknown device"),
        (("--cpu", "max"), "no processor model"),
        (("--cpu", "$(touch trap)"), "no processor model"),
        (("--cpu", "cortex-a76", "--images", "0"), "0 is not in the range"),
        (("--cpu", "cortex-a76", "--processor", "npu"), "--cpu names no NPU"),
        (("--device", "pixel-8", "--processor", "npu"), "names no NPU of Qualcomm's that can be emulated"),
        (("--cpu", "cortex-a76", "--activations", "16"), "--activations and --save are for an NPU"),
        (("--device", "galaxy-s24", "--dataset", "nothing"), "unknown dataset 'nothing'"),
    ],
)
def test_bad_questions(arguments: tuple[str, ...], message: str) -> None:
    result = _run(COMMITTED, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_an_emulator_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))
    monkeypatch.delenv("FER_DEPLOY_QEMU", raising=False)
    result = _run(COMMITTED, "--cpu", "cortex-a53")
    assert result.exit_code == 2
    assert "no qemu-aarch64 10.0 or later was found; install qemu-user" in result.stderr


@pytest.fixture
def npu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An NPU that answers as this machine does, but for one logit; the steps' last one leans."""

    def logits_of(
        _: HtpTransport, __: Artifact, model: bytes, pixels: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        given = run_here(onnx.load_from_string(model), {"pixels": pixels.astype(np.float32)})
        found: NDArray[np.float32] = given["logits"].astype(np.float32)
        found[0, 0] -= 0.25
        return found

    def run(_: HtpTransport, model: bytes, inputs: Arrays) -> Answer:
        given = run_here(onnx.load_from_string(model), inputs)
        last = list(given)[-1]
        given[last] = np.maximum(given[last], 1) - np.uint8(1)
        return Answer(dict(given), (), None, 0.0)

    monkeypatch.setattr(HtpTransport, "obstacle", lambda *_: None)
    monkeypatch.setattr(HtpTransport, "not_taken", lambda *_: ())
    monkeypatch.setattr(HtpTransport, "logits_of", logits_of)
    monkeypatch.setattr(HtpTransport, "run", run)


@pytest.mark.usefixtures("npu")
def test_an_npu_is_compared_with_this_machine_step_by_step(lowered: Lower, faces_folder: Path) -> None:
    folder = lowered("onnx", "w8a8-ptq")[0].folder
    for data in ((), ("--dataset", "folder", "--data", faces_folder)):
        result = _run(folder, "--device", "galaxy-s24", "--images", "5", "--json", *data)
        assert result.exit_code == 0, result.output
        (found,) = json.loads(result.stdout)
        assert found["npu"] == "emulated Hexagon v75 (Snapdragon 8 Gen 3)"
        assert found["identical"]["value"] == 0.8
        assert found["difference"]["value"] == pytest.approx(0.25)
        assert found["difference"]["provenance"] == "emulated"
        assert "equality with a phone is not established" in found["difference"]["conditions"]["emulation"]
        *others, last = found["steps"]
        assert {step["alone"] for step in others} == {0.0}
        assert last["lean"] < -0.5
    shown = _run(folder, "--device", "galaxy-s24", "--images", "2").stdout
    assert "emulated (HTP on x86; equality with a phone is not established)" in shown
    assert "step by step" in shown


@pytest.mark.usefixtures("npu")
def test_what_was_run_in_16_bits_can_be_kept(lowered: Lower, tmp_path: Path) -> None:
    folder, file = lowered("onnx", "w8a8-ptq")[0].folder, tmp_path / "sixteen.onnx"
    arguments = ("--device", "galaxy-s24", "--images", "2", "--activations", "16", "--save", file)
    result = _run(folder, *arguments)
    assert result.exit_code == 0, result.output
    assert "16-bit" in result.stdout
    onnx.checker.check_model(onnx.load(file))
    refused = _run(folder, folder, *arguments)
    assert refused.exit_code == 2
    assert "--save takes one artifact" in refused.stderr


@pytest.mark.usefixtures("npu")
def test_nodes_left_to_the_cpu_end_with_3(lowered: Lower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HtpTransport, "not_taken", lambda *_: ("Conv stem (network.stem.0)",))
    result = _run(lowered("onnx", "w8a8-ptq")[0].folder, "--device", "galaxy-s24", "--images", "2")
    assert result.exit_code == 3
    assert "leaves nodes of onnx-w8a8-ptq to the CPU: Conv stem (network.stem.0)" in result.stderr


@pytest.mark.usefixtures("npu")
def test_the_cpu_is_meant_where_it_is_asked_for_or_an_artifact_is_none_for_the_npu(
    lowered: Lower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))
    monkeypatch.delenv("FER_DEPLOY_QEMU", raising=False)
    folder = lowered("onnx", "w8a8-ptq")[0].folder
    assert "no qemu-aarch64" in _run(folder, "--device", "galaxy-s24", "--processor", "cpu").stderr
    other = lowered("executorch", "w8a8-ptq")[0].folder
    assert "no qemu-aarch64" in _run(other, "--device", "galaxy-s24").stderr


def test_pictures_are_the_golden_ones_first_and_always_the_same() -> None:
    spec: InputSpec = input_spec()
    pictures = synthetic_pictures(spec, 20)
    assert pictures.shape == (20, *spec.shape[1:])
    assert pictures.dtype == np.uint8
    golden = np.stack(list(golden_inputs(spec).values()))
    np.testing.assert_array_equal(pictures[: len(golden)], golden)
    np.testing.assert_array_equal(pictures[:3], synthetic_pictures(spec, 3))
    assert len(np.unique(pictures.reshape(20, -1), axis=0)) == 20
