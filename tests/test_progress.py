from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from fer_deploy.progress import say, track


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _numbers() -> Iterator[int]:
    yield from range(3)


@pytest.mark.parametrize("terminal", [False, True])
def test_yields_everything_in_order(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    stream = _Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert list(track(_numbers(), "a generator", total=3)) == [0, 1, 2]
    assert list(track([], "nothing")) == []
    assert ("counting" in stream.getvalue()) == terminal


def test_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    list(track(range(3), "counting"))
    say("done")
    assert capsys.readouterr() == ("", "done\n")


def test_is_lazy() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise AssertionError("asked for more than was wanted")

    assert next(track(items(), "one")) == 1
