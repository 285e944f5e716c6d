"""Standard output as shells and CI systems hand it out: full, closed, read by `head`, in another encoding."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import fer_deploy
from fer_deploy.cli import COMMANDS, main
from fer_deploy.cli.options import Number
from fer_deploy.devices import health
from fer_deploy.files import alone_in
from fixtures.sample_report import sample_report

#: These sources, wherever a process is started.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(fer_deploy.__file__).parents[1])}
pytestmark = pytest.mark.usefixtures("without_pictures")

LIMIT = ("--max-size-kb", "1")
SUMMARY = "FAIL: "


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the repository and its fer-deploy.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A short report whose only artifact is missing: every check of it fails."""
    path = tmp_path / "out" / "report.json"
    full = sample_report()
    short = {"artifacts": full.artifacts[:1], "devices": (), "graphs": (), "between_targets": ()}
    full.model_copy(update=short).write(path)
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def started(*arguments: object, redirected: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Return what a real process of the command line did, ``redirected`` as a shell does it."""
    words = " ".join(["exec", sys.executable, "-m", "fer_deploy", *map(str, arguments), redirected])
    return subprocess.run(
        ["bash", "-c", words],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class TestWhereTheOutputGoes:
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_full_keeps_the_verdict(self, report: Path, unbuffered: str) -> None:
        done = started("check", report, *LIMIT, redirected=">/dev/full", PYTHONUNBUFFERED=unbuffered)
        assert done.returncode == 3, done.stderr
        assert "Warning: standard output cannot be written: No space left on device; FAIL: " in done.stderr
        assert "Traceback" not in done.stderr
        assert (report.parent / "check.json").is_file()

    def test_closed_keeps_the_verdict(self, report: Path) -> None:
        done = started("check", report, *LIMIT, "--json", redirected=">&-")
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("Warning: standard output cannot be written: it is closed; FAIL: ")

    @pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
    def test_what_only_prints_fails_in_one_sentence(self, redirected: str) -> None:
        done = started("--help", redirected=redirected)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: standard output cannot be written: ")
        assert len(done.stderr.splitlines()) == 1

    def test_a_reader_that_has_seen_enough_is_no_failure(self) -> None:
        words = f"{sys.executable} -m fer_deploy report --schema | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", words], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stdout == "{\n0\n"
        assert done.stderr == ""

    def test_errors_that_nobody_can_read_keep_their_exit_code(self) -> None:
        assert started("inspect", "nowhere", redirected="2>&-").returncode == 2
        assert started("inspect", "nowhere", redirected="2>/dev/full").returncode == 2


class TestEncoding:
    def test_a_table_spells_out_what_the_encoding_lacks(self, report: Path) -> None:
        done = started("check", report, *LIMIT, PYTHONIOENCODING="ascii")
        assert done.returncode == 3, done.stderr
        assert "x fail: size" in done.stdout
        assert "+ test set" in done.stdout
        marked = [line for line in done.stdout.splitlines() if "? " in line]
        assert marked == [line for line in marked if "? not measured" in line], "a question mark says so"

    def test_json_stays_the_same_json(self, tmp_path: Path) -> None:
        stored = sample_report()
        assert any(not label.isascii() for label in stored.dataset.per_class), "something to lose"
        stored.write(tmp_path / "report.json")
        done = started("report", "report.json", "--json", PYTHONIOENCODING="latin-1")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


class TestGithub:
    def test_json_has_its_stream_for_itself(self, report: Path) -> None:
        result = call("check", report, *LIMIT, "--json", "--github")
        assert json.loads(result.stdout)["verdicts"]
        assert any(line.startswith("::error ") for line in result.stderr.splitlines())
        plain = call("check", report, *LIMIT, "--github")
        assert "\n::error " in plain.stdout
        assert "::error " not in plain.stderr

    def test_annotations_hang_on_the_configuration_that_was_found(
        self, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "::error title=" in call("check", report, *LIMIT, "--github").stdout
        (tmp_path / "fer-deploy.toml").write_text("[model]\npath = 'm'\n[profile]\ndevices = ['host']\n")
        assert "::error file=fer-deploy.toml,title=" in call("check", report, *LIMIT, "--github").stdout
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path.parent))
        file = f"file={tmp_path.name}/fer-deploy.toml,"
        assert file in call("check", report, *LIMIT, "--github").stdout, "as the repository names it"

    def test_a_summary_that_cannot_be_written_keeps_the_verdict(
        self, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
        result = call("check", report, *LIMIT, "--github")
        assert result.exit_code == 3
        assert "Warning: cannot write the step summary" in result.stderr

    def test_a_summary_has_no_more_than_github_takes(
        self, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        summary = tmp_path / "summary.md"
        summary.write_bytes(b"x" * (1024 * 1024 - 400))
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert call("check", report, *LIMIT, "--github").exit_code == 3
        assert summary.stat().st_size <= 1024 * 1024
        assert "Cut here" in summary.read_text().splitlines()[-1]
        full = call("check", report, *LIMIT, "--github")
        assert full.exit_code == 3
        assert "Warning: the step summary has no room left" in full.stderr


class TestFolderThatCannotBeWritten:
    def test_the_verdict_stands(self, report: Path, tmp_path: Path) -> None:
        (report.parent / "check.json").mkdir()
        (tmp_path / "file").write_text("")
        result = call("check", report, *LIMIT, "--junit", tmp_path / "file" / "junit.xml")
        assert result.exit_code == 3
        assert SUMMARY in result.stdout
        warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning: cannot write ")]
        assert len(warnings) == 2, result.stderr

    def test_a_read_only_file_system(self, report: Path) -> None:
        out = report.parent
        mounted = f"mount --bind {out} {out} && mount -o remount,ro,bind {out}"
        if subprocess.run(
            ["unshare", "-rm", "sh", "-c", mounted], check=False, capture_output=True
        ).returncode:
            pytest.skip("this system lets nobody mount in a namespace of their own")
        words = f"{mounted} && exec {sys.executable} -m fer_deploy check {report} {' '.join(LIMIT)}"
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", words],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert SUMMARY in done.stdout
        assert done.stderr == (
            f"Warning: folder {out} cannot be written: Read-only file system; choose another output folder\n"
        )

    def test_while_a_run_writes_there(self, report: Path) -> None:
        with alone_in(report.parent):
            result = call("check", report, *LIMIT)
        assert result.exit_code == 3
        assert f"Warning: another run is writing to {report.parent}; wait for it" in result.stderr
        assert not (report.parent / "check.json").exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
    def test_a_folder_without_permission(self, report: Path) -> None:
        report.parent.chmod(0o555)
        try:
            result = call("check", report, *LIMIT)
        finally:
            report.parent.chmod(0o755)
        assert result.exit_code == 3
        assert "Permission denied" in result.stderr


def _options(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.get_params(click.Context(command))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_infinity_or_nan(name: str) -> None:
    command: Any = main.get_command(click.Context(main), name)
    for option in _options(command):
        if isinstance(option.type, click.types.FloatParamType):
            assert isinstance(option.type, Number), (
                f"{name} {option.name}: use Number, which refuses inf and nan"
            )


@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "1e999"])
def test_infinity_and_nan_are_no_limits(report: Path, value: str) -> None:
    result = call("check", report, "--max-size-kb", value)
    assert result.exit_code == 2
    assert "'--max-size-kb'" in result.stderr
    assert call("check", report, "--max-size-kb", "5").exit_code == 3


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(health, "examine", stopped)
    result = call("doctor")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Interrupted: what was not complete is not kept."


def test_doctor_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no line in /etc/passwd."""

    def unknown(_: int) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME", "FER_DEPLOY_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    result = call("doctor")
    assert result.exit_code == 0, result.output
    assert "not built" in result.stdout
    built = call("build-runner")
    assert built.exit_code == 2
    assert "set FER_DEPLOY_CACHE to a folder" in built.stderr


def test_a_configuration_may_begin_with_a_byte_order_mark(report: Path, tmp_path: Path) -> None:
    (tmp_path / "fer-deploy.toml").write_text(
        "[model]\npath = 'm'\n[budget]\nmax_size_kb = 1\n", encoding="utf-8-sig"
    )
    assert call("check", report).exit_code == 3


def test_no_colour_and_forty_columns(report: Path) -> None:
    """A real terminal of forty columns; tables of every command are printed on the same console."""
    words = (
        "import os, pty, sys, struct, fcntl, termios\n"
        "pid, fd = pty.fork()\n"
        "if pid == 0:\n"
        "    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 20, 40, 0, 0))\n"
        f"    os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'fer_deploy', 'check', {str(report)!r}, "
        "'--max-size-kb', '1'])\n"
        "said = b''\n"
        "try:\n"
        "    while part := os.read(fd, 65536):\n"
        "        said += part\n"
        "except OSError:\n"
        "    pass\n"
        "sys.stdout.buffer.write(said)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    environment = {**ENVIRONMENT, "NO_COLOR": "1", "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    done = subprocess.run(
        [sys.executable, "-c", words], env=environment, capture_output=True, timeout=120, check=False
    )
    said = done.stdout.decode()
    assert done.returncode == 3, said
    assert SUMMARY in said
    assert max(map(len, re.sub("\x1b\\[[0-9;]*m|\r", "", said).split("\n"))) <= 40
    coloured = [code for code in range(30, 48) if f"\x1b[{code}m" in said or f";{code}m" in said]
    assert coloured == [], "NO_COLOR"
