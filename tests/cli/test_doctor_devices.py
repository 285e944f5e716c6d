"""``doctor``, ``devices`` and ``frame`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.devices import health
from fer_deploy.devices.health import Check
from fixtures.lowered import Lower


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_doctor_prints_tables_and_json() -> None:
    table = _run("doctor")
    assert table.exit_code == 0, table.output
    assert "The main job can run" in table.stdout
    found = json.loads(_run("doctor", "--json").stdout)
    assert found["ready"] is True
    assert {check["area"] for check in found["checks"]} == {"packages", "targets", "transports"}


def test_doctor_ends_with_2_when_the_main_job_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Check(
        area="packages",
        name="executorch",
        status="missing",
        found="not installed, needs ==1.5.1",
        needed_for="",
        add="pip install 'executorch==1.5.1'",
        essential=True,
    )
    monkeypatch.setattr(health, "examine", lambda: (gone,))
    result = _run("doctor")
    assert result.exit_code == 2
    assert "The main job cannot run: executorch" in result.stdout
    assert "pip install 'executorch==1.5.1'" in result.stdout
    as_json = _run("doctor", "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["ready"] is False


def test_devices_are_listed() -> None:
    listed = json.loads(_run("devices", "--json").stdout)
    assert {"host", "pixel-9", "iphone-16"} <= {profile["name"] for profile in listed}
    table = _run("devices")
    assert table.exit_code == 0
    assert "raspberry-pi-5" in table.stdout


def test_one_device_by_alias_with_its_sources() -> None:
    result = _run("devices", "pixel")
    assert result.exit_code == 0, result.output
    assert "device 'pixel' is Google Pixel 9" in result.stderr
    assert "Cortex-X4" in result.stdout
    assert "olv-notes" in result.stdout
    assert json.loads(_run("devices", "pixel", "--json").stdout)["name"] == "pixel-9"


@pytest.mark.parametrize("name", ["nokia-3310", "$(touch pwned)", "; rm -rf /", "[bold]x[/bold]", "\x1b[2J"])
def test_unknown_and_hostile_devices(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run("devices", name)
    assert result.exit_code == 2
    assert "unknown device" in result.stderr
    assert "\x1b" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_frame_on_this_machine(lowered: Lower) -> None:
    artifact = lowered("onnx", "float")[0]
    budget = json.loads(_run("frame", artifact.folder, "--json").stdout)
    assert [stage["latency"]["provenance"] for stage in budget["stages"]] == [
        "not measured",
        "measured",
        "measured",
        "measured",
    ]
    assert budget["frame_ms"] == 33.3
    table = _run("frame", artifact.folder, "--fps", "60")
    assert table.exit_code == 0, table.output
    assert "leave" in table.stdout
    assert "16.7 ms" in table.stdout
