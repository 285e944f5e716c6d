"""A device's shell at the end of a client program: commands, their exit codes, and what went wrong in one sentence."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from typing import ClassVar

from fer_deploy.errors import DeviceError

#: One short command over the link.
SHORT_SECONDS = 30.0
#: What shells say of a program of another architecture (dash, bash, mksh, toybox).
_WRONG_ABI = ("Exec format error", "not executable", "cannot execute")
#: Ends what a command prints, before its exit code; and the code of a command whose end was never heard.
_SAYS, _LOST = "fer-deploy-exit=", 255


class RemoteShell(ABC):
    """A POSIX shell on a device; only constants of this package and shell-quoted words are given to it."""

    install_hint: ClassVar[str]
    """How to install the link's client program."""

    @property
    @abstractmethod
    def device(self) -> str:
        """The device as error messages name it."""

    @abstractmethod
    def _shell_words(self, command: str) -> list[str]:
        """Return the local words that run a command line in the device's shell."""

    def _ask(self, command: str) -> str:
        """Return what a short command prints on the device; DeviceError when it fails."""
        done = self._attempt(command, SHORT_SECONDS)
        if done.returncode != 0:
            raise self._failure(done, "asking")
        return done.stdout

    def _attempt(
        self, command: str, seconds: float, doing: str = "asking"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line on the device; its return code is the device's own word, never the client's.

        adb exits 0 when the phone goes away in the middle of a command, so the device has to say the code.
        """
        done = self._call(self._shell_words(f"{command}\necho {_SAYS}$?"), seconds, doing)
        output, _, code = done.stdout.rpartition(_SAYS)
        if not code.strip().isdigit():
            return subprocess.CompletedProcess(done.args, done.returncode or _LOST, done.stdout, done.stderr)
        return subprocess.CompletedProcess(done.args, int(code), output, done.stderr)

    def _require(self, words: list[str], seconds: float, doing: str) -> subprocess.CompletedProcess[str]:
        done = self._call(words, seconds, doing)
        if done.returncode != 0:
            raise self._failure(done, doing)
        return done

    def _call(self, words: list[str], seconds: float, doing: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                words,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise DeviceError(f"the client '{words[0]}' is not installed; {self.install_hint}") from None
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{doing} {self.device} took over {seconds:.0f} s and was given up") from None

    def _failure(self, done: subprocess.CompletedProcess[str], doing: str) -> DeviceError:
        """Return the error that says why a command failed, by asking whether the device is still there."""
        said = done.stdout + done.stderr
        if "No space left" in said:
            return DeviceError(
                f"{self.device} is full: {doing} it failed ({last_line(done)}); free some space"
            )
        if any(sign in said for sign in _WRONG_ABI):
            return DeviceError(
                f"{self.device} cannot start the runner: it is built for another architecture ({last_line(done)})"
            )
        if doing != "asking" and self._attempt("true", SHORT_SECONDS).returncode != 0:
            return DeviceError(f"{self.device} was disconnected while {doing} it")
        return DeviceError(f"{doing} {self.device} failed (exit {done.returncode}): {last_line(done)}")


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a command printed, of stderr if it printed there."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit {done.returncode} without a word"
