"""Standard output and error that no command can stumble over: any encoding, closed, full, or read by a `head`.

A stream that cannot be written says so once, at the end, instead of a traceback in the middle of a table. A reader
that has seen enough (a broken pipe) is no failure at all.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import re
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO, cast

import click

#: What stands for a character that the stream's encoding lacks. A question mark, the usual one, means "not measured".
_INSTEAD = {
    "✔": "+", "✘": "x", "●": "*", "◐": "%", "≈": "~", "█": "#", "×": "x", "·": "-", "…": "...",
    "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{MINUS SIGN}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}  # fmt: skip
_ERRORS = "fer-deploy-streams"


@dataclass
class Steady:
    """What became of standard output while a command ran.

    Attributes:
        lost: why something printed is nowhere, or None.
        last_word: what to say on stderr then, in place of failing; None fails.
    """

    lost: str | None = None
    last_word: str | None = None


_now = Steady()


def keep_verdict(sentence: str) -> None:
    """Have ``sentence`` said on stderr if standard output cannot be written; the command's exit code then stays."""
    _now.last_word = sentence


def print_json(text: str) -> None:
    """Print a JSON text so that any encoding of standard output leaves it the same JSON."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        # outside of strings JSON is ASCII, so each character may be escaped where it stands
        text = re.sub("[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    click.echo(text)


@contextlib.contextmanager
def steady_streams() -> Iterator[Steady]:
    """Let the block print whatever happens to standard output and error; yield what became of the former."""
    global _now
    before, _now = _now, Steady()
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _steady(sys.stdout, 1, _now), _steady(sys.stderr, 2, Steady())
    try:
        yield _now
    finally:
        for stream in (sys.stdout, sys.stderr):
            # a stream of somebody else, such as a test's, may be closed by now
            with contextlib.suppress(ValueError):
                stream.flush()
        sys.stdout, sys.stderr = streams
        _now = before


def _steady(stream: TextIO | None, number: int, into: Steady) -> TextIO:
    """Return a stream to the same file that never raises; ``stream`` itself when it is none of the system's."""
    codecs.register_error(_ERRORS, _spelt_out)
    if stream is None:  # how Python shows that the shell closed it
        _occupy(number)
        into.lost = "it is closed"
        return cast(TextIO, io.TextIOWrapper(io.BufferedWriter(_Nowhere()), encoding="utf-8"))
    # with python -u there is no buffer between the text and the file
    buffer = getattr(stream, "buffer", None)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        return stream
    stream.flush()
    return cast(
        TextIO,
        io.TextIOWrapper(
            io.BufferedWriter(_File(stream.fileno(), into)),
            encoding=stream.encoding,
            errors=_ERRORS,
            line_buffering=stream.line_buffering,
        ),
    )


def _occupy(number: int) -> None:
    """Open the null device as a descriptor that is closed: the next file opened would be taken for the stream."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def _spelt_out(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_spell, error.object[error.start : error.end])), error.end


def _spell(character: str) -> str:
    return _INSTEAD.get(character) or character.encode("ascii", "backslashreplace").decode()


class _Nowhere(io.RawIOBase):
    """Takes everything."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return memoryview(cast(bytes, data)).nbytes


class _File(io.RawIOBase):
    """A descriptor that is never closed; once it cannot be written, everything is taken and goes nowhere."""

    def __init__(self, number: int, into: Steady) -> None:
        self._number, self._into, self._broken = number, into, False

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raw = memoryview(cast(bytes, data))
        while not self._broken:
            try:
                return os.write(self._number, raw)
            except BlockingIOError:
                select.select([], [self._number], [])
            except BrokenPipeError:
                self._broken = True
            except OSError as error:
                self._broken, self._into.lost = True, error.strerror
        return raw.nbytes
