"""Emulated ARM and x86 processors: the engines' real machine code for them, bit for bit or caught."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from fer_deploy.cli import main
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.emulated import EmulatedTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import INTEGER_STEPS

pytestmark = pytest.mark.qemu


def emulated(cpu: str, target: str, arch: str = "aarch64") -> EmulatedTransport:
    transport = EmulatedTransport(cpu, arch)  # type: ignore[arg-type]
    obstacle = transport.obstacle(target)
    if obstacle:
        pytest.skip(f"{obstacle} (tests/integration/setup_qemu.sh)")
    return transport


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76"])
def test_int8_executorch_on_arm_equals_x86_bit_for_bit(
    cpu: str, artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    """The A53 has no dot product instruction, the A76 has: two different sets of kernels."""
    artifact = artifacts["executorch-w8a8-ptq"]

    there = emulated(cpu, "executorch").logits(artifact, images)

    assert there.shape == (200, len(artifact.info.contract.labels))
    assert there.std(axis=0).max() > 0.05
    np.testing.assert_array_equal(there, HostTransport().logits(artifact, images))


def test_float_executorch_on_arm_differs_by_summation_order_only(
    artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    artifact = artifacts["executorch-float"]

    there = emulated("cortex-a76", "executorch").logits(artifact, images[:10])

    here = HostTransport().logits(artifact, images[:10])
    np.testing.assert_allclose(there, here, atol=1e-4)


@pytest.mark.parametrize("cpu", ["cortex-a53", "cortex-a76"])
def test_int8_onnx_on_arm_is_within_the_rounding_of_its_own_grid(
    cpu: str, artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    artifact = artifacts["onnx-w8a8-ptq"]
    assert artifact.info.scales is not None
    step = artifact.info.scales.activations[-1].scale

    there = emulated(cpu, "onnx").logits(artifact, images[:20])

    here = HostTransport().logits(artifact, images[:20])
    assert np.abs(there - here).max() <= INTEGER_STEPS * step


def test_onnx_on_x86_without_vnni_is_caught_as_diverging(
    artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    """ONNX Runtime's AVX2 kernels for unsigned x signed saturate in 16 bits: a real parity failure."""
    artifact = artifacts["onnx-w8a8-ptq"]
    assert artifact.info.scales is not None
    step = artifact.info.scales.activations[-1].scale

    there = emulated("Haswell", "onnx", "x86_64").logits(artifact, images)

    here = HostTransport().logits(artifact, images)
    assert np.abs(there - here).max() > INTEGER_STEPS * step


def test_float_onnx_on_the_same_emulated_processor_agrees(
    artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    """So the divergence above is the integer kernels', not the emulator's."""
    artifact = artifacts["onnx-float"]

    there = emulated("Haswell", "onnx", "x86_64").logits(artifact, images[:5])

    np.testing.assert_allclose(there, HostTransport().logits(artifact, images[:5]), atol=1e-3)


def test_instruction_counts_are_exact_and_show_the_dot_product(artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["executorch-w8a8-ptq"]
    try:
        old = emulated("cortex-a53", "executorch").instructions(artifact)
        new = emulated("cortex-a76", "executorch").instructions(artifact)
        again = emulated("cortex-a76", "executorch").instructions(artifact)
    except DeviceError as error:
        pytest.skip(f"{error} (tests/integration/setup_qemu.sh)")

    assert new < 0.7 * old
    # allocator and clock differ a little from process to process
    assert abs(again - new) < 0.01 * new


def _emulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["emulate", *map(str, arguments)])


def test_the_command_shows_parity_and_instructions_of_a_profile_s_processor(
    artifacts: dict[str, Artifact],
) -> None:
    emulated("cortex-a76", "executorch")
    folder = artifacts["executorch-w8a8-ptq"].folder

    (found,) = json.loads(_emulate(folder, "--device", "raspberry-pi-5", "--images", "8", "--json").stdout)
    shown = _emulate(folder, "--device", "raspberry-pi-5", "--images", "2")

    assert found["processor"] == "emulated cortex-a76"
    assert found["identical"]["value"] == 1
    assert found["difference"]["value"] == 0
    assert found["agrees"] is True
    for name in ("identical", "difference", "same_class"):
        assert found[name]["provenance"] == "emulated"
    assert found["instructions"]["provenance"] in ("emulated", "not measured")
    assert shown.exit_code == 0, shown.output
    assert "100.0 %" in shown.stdout


def test_the_command_ends_with_3_where_a_processor_diverges(artifacts: dict[str, Artifact]) -> None:
    emulated("Haswell", "onnx", "x86_64")
    int8, floats = artifacts["onnx-w8a8-ptq"].folder, artifacts["onnx-float"].folder
    haswell = ("--cpu", "Haswell", "--arch", "x86_64", "--images", "4")

    apart = _emulate(int8, floats, *haswell)

    assert apart.exit_code == 3
    assert "logits differ by more than golden.json allows: onnx-w8a8-ptq\n" in apart.stderr
    assert _emulate(floats, *haswell).exit_code == 0


def test_emulated_time_is_refused(artifacts: dict[str, Artifact]) -> None:
    with pytest.raises(DeviceError, match="emulated time is not latency"):
        EmulatedTransport("cortex-a76").time(artifacts["executorch-float"], TimingProtocol())


@pytest.mark.parametrize("cpu", ["max", "-plugin x", "cortex-a76,sme=off", "", "a b", "$(id)"])
def test_models_that_cannot_be_emulated_are_refused(cpu: str) -> None:
    with pytest.raises(DeviceError, match="no processor model"):
        EmulatedTransport(cpu)


def test_a_crash_under_emulation_is_one_sentence(
    artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    with pytest.raises(DeviceError, match="running executorch-float on emulated no-such-cpu failed"):
        emulated("no-such-cpu", "executorch").logits(artifacts["executorch-float"], images[:1])
