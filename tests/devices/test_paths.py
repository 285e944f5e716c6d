"""Of each way onto a device's processors: what can be known without the device, and how."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.devices.paths import ProcessorPath, processor_paths
from fer_deploy.devices.profile import load_profile, load_profiles


def way(device: str, target: str, delegate: str) -> ProcessorPath:
    (found,) = [
        one
        for one in processor_paths(load_profile(device))
        if (one.target, one.delegate) == (target, delegate)
    ]
    return found


@pytest.mark.parametrize(
    ("device", "target", "delegate", "processor", "answers", "latency"),
    [
        ("host", "onnx", "cpu", "CPU", "measured here", "measured here"),
        (
            "pixel-8",
            "executorch",
            "xnnpack",
            "CPU",
            "emulated: qemu, cortex-a710",
            "estimated where its cores",
        ),
        ("pixel-8", "onnx", "cpu", "CPU", "emulated: qemu, cortex-a710", "measured on it alone"),
        ("galaxy-s24", "onnx", "qnn", "NPU Qualcomm Hexagon", "emulated: HTP on x86", "measured on it alone"),
        (
            "galaxy-s24",
            "executorch",
            "qnn",
            "NPU Qualcomm Hexagon",
            "measured on it alone",
            "measured on it alone",
        ),
        (
            "iphone-15-pro",
            "coreml",
            "coreml",
            "NPU Apple Neural Engine",
            "emulated: the graph",
            "measured on it",
        ),
        (
            "corstone-300",
            "executorch",
            "ethos-u55-128",
            "NPU Arm Ethos-U55-128",
            "emulated: the graph that its compiler is given",
            "estimated by its compiler, without an interval",
        ),
        ("iphone-15-pro", "executorch", "xnnpack", "CPU", "measured on it alone", "estimated where"),
    ],
)
def test_each_way_says_how_it_can_be_known(
    device: str, target: str, delegate: str, processor: str, answers: str, latency: str
) -> None:
    found = way(device, target, delegate)
    assert found.processor.startswith(processor)
    assert found.answers.startswith(answers)
    assert found.latency.startswith(latency)


def test_every_profile_has_a_row_for_each_way_that_it_names() -> None:
    for profile in load_profiles():
        ways = [(one.target, one.delegate) for one in processor_paths(profile)]
        assert ways == [
            (target, delegate) for target in profile.targets for delegate in profile.delegates.get(target, ())
        ]


def test_devices_shows_them() -> None:
    result = CliRunner().invoke(main, ["devices", "galaxy-s24"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "emulated: HTP on x86" in result.output
