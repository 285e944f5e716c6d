from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import pytest

from fer_deploy.quiet import quiet


def _talk() -> None:
    os.write(2, b"from C\n")
    warnings.warn("a warning", UserWarning, stacklevel=1)
    logging.getLogger("coremltools").warning("a log line")


def test_silences_every_way_to_talk_and_stops_afterwards(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with quiet():
        _talk()
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    os.write(2, b"again\n")
    logging.getLogger("coremltools").warning("again")
    assert capfd.readouterr().err == "again\n"
    assert [record.message for record in caplog.records] == ["again"]


def test_python_prints_without_a_line_end_stay_inside() -> None:
    """In a process of its own: under pytest sys.stderr does not write to the descriptor."""
    program = (
        "import sys\nfrom fer_deploy.quiet import quiet\nprint('before', end=' ', file=sys.stderr)\n"
        "with quiet(): print('inside', end='', file=sys.stderr)\nprint('after', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "before after\n"


def test_stdout_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(1, b"result\n")
    assert capfd.readouterr().out == "result\n"


def test_what_was_said_is_logged_when_the_call_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # the root logger, as logging.basicConfig(level=DEBUG) does

    def fail() -> None:
        with quiet():
            os.write(2, b"the reason, from C\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [record.getMessage().strip() for record in caplog.records] == ["the reason, from C"]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_levels_and_stderr_come_back_after_an_error(
    capfd: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    logger = logging.getLogger("torch")
    level = logger.level
    with pytest.raises(error), quiet():
        raise error
    assert logger.level == level
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_nested(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        with quiet():
            os.write(2, b"inner\n")
        os.write(2, b"outer\n")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_leaves_no_file_open() -> None:
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):  # noqa: PTH112
        folder = "/dev/fd"
    before = len(os.listdir(folder))  # noqa: PTH208
    for _ in range(5):
        with quiet():
            pass
    assert len(os.listdir(folder)) == before  # noqa: PTH208
