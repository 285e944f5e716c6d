"""``doctor``, ``devices`` and ``frame`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.devices import health
from fer_deploy.devices.health import HealthCheck
from fixtures.fake_adb import FakeAdb
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
    gone = HealthCheck(
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
    assert {"host", "pixel-9", "iphone-16"} <= {profile["name"] for profile in listed["profiles"]}
    table = _run("devices")
    assert table.exit_code == 0
    assert "raspberry-pi-5" in table.stdout


def test_attached_phones_are_listed_with_their_profiles(fake_adb: FakeAdb) -> None:
    fake_adb.lists("P8\tdevice\nOLD\tunauthorized\n")
    fake_adb.properties({"ro.product.model": "Pixel 8"})
    table = _run("devices")
    assert table.exit_code == 0, table.output
    rows = [line.split("│") for line in table.stdout.splitlines()]
    cells = {row[1].strip(): [cell.strip() for cell in row[2:6]] for row in rows if len(row) == 7}
    assert cells["P8"] == ["adb", "ready", "Pixel 8", "pixel-8"]
    assert cells["OLD"][1].startswith("unauthorized; unlock it")
    phone, _ = json.loads(_run("devices", "--json").stdout)["attached"]
    assert phone == {
        "transport": "adb", "address": "P8", "state": "ready", "model": "Pixel 8", "profile": "pixel-8",
    }  # fmt: skip


def test_no_phone_and_no_client_are_one_plain_line_each(
    fake_adb: FakeAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_adb.lists("")
    assert _run("devices").stdout.splitlines()[-1] == "Attached now: no phone."
    monkeypatch.setenv("FER_DEPLOY_ADB", "/nonexistent/adb")
    without = _run("devices")
    assert without.exit_code == 0
    assert without.stdout.splitlines()[-1] == (
        "Attached phones are not known: the client '/nonexistent/adb' is not installed; "
        "install Android's platform-tools, e.g. apt-get install adb"
    )


def test_what_a_phone_says_cannot_steer_the_terminal(fake_adb: FakeAdb) -> None:
    fake_adb.lists("A\tdevice\n")
    fake_adb.properties({"ro.product.model": "\x1b[2J[red]owned[/red]"})
    table = _run("devices")
    assert table.exit_code == 0
    assert "\x1b" not in table.stdout
    assert "[red]" in table.stdout


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


def test_a_hostile_profile_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_adb: FakeAdb, lowered: Lower
) -> None:
    """Every free text of a profile is a trap; it is listed, its phone asked, its artifact profiled."""
    artifact = lowered("executorch", "float")[0]
    monkeypatch.chdir(tmp_path)
    trap = "'; touch trap; $(touch trap) `touch trap` [bold]x[/bold] <script>"
    table = {
        "name": "mine",
        "market_name": trap,
        "soc": trap,
        "os": trap,
        "transport": "adb",
        "targets": ["executorch"],
        "match": {"getprop": {trap: [trap], "--help": [trap]}},
        "cores": [{"count": 1, "microarchitecture": trap}],
        "sources": [{"figures": ["soc", "cores"], "where": trap}],
    }
    folder = tmp_path / "$(touch trap) profiles"
    folder.mkdir()
    (folder / "mine.toml").write_bytes(tomli_w.dumps(table).encode())
    monkeypatch.setenv("FER_DEPLOY_PROFILES", str(folder))
    fake_adb.lists("A\tdevice\n")

    listed = _run("devices")
    shown = _run("devices", folder / "mine.toml")
    timed = _run("profile", artifact.folder, "--device", "mine", "--json")

    assert listed.exit_code == shown.exit_code == 0, shown.output
    assert timed.exit_code == 4  # a phone is attached, and it is another one
    assert "[bold]" in listed.stdout
    assert "phone A is not" in json.dumps(json.loads(timed.stdout))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["$(touch trap) profiles", "fake adb"]


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
