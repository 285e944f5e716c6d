"""Which command adds a program to this machine, on Debian and on a Mac; and what is there on Linux only."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

Program = Literal["adb", "aarch64-linux-gnu-g++", "chromium", "g++", "gcc", "node", "qemu-user", "ssh"]


@dataclass(frozen=True)
class _Packages:
    """What adds a program: a package of Debian's, and the command on a Mac; None: no Mac can have it."""

    debian: str
    mac: str | None


_PACKAGES: dict[str, _Packages] = {
    "adb": _Packages("adb", "brew install --cask android-platform-tools"),
    "aarch64-linux-gnu-g++": _Packages("g++-aarch64-linux-gnu", None),
    "chromium": _Packages("chromium", "brew install --cask chromium"),
    "g++": _Packages("g++", "xcode-select --install"),
    "gcc": _Packages("gcc", "xcode-select --install"),
    "node": _Packages("nodejs npm", "brew install node"),
    "qemu-user": _Packages("qemu-user", None),  # qemu's user mode translates Linux system calls to the host's
    "ssh": _Packages("openssh-client", "xcode-select --install"),  # part of macOS
}


def is_linux() -> bool:
    """Whether this machine runs Linux."""
    return sys.platform.startswith("linux")


def is_mac() -> bool:
    """Whether this machine runs macOS."""
    return sys.platform == "darwin"


def adding(program: Program) -> str:
    """Return the command that adds a program here, or what to do where none can.

    On a system that is neither Debian's kin nor macOS it is an example, as its callers' sentences say.
    """
    packages = _PACKAGES[program]
    if not is_mac():
        return f"apt-get install {packages.debian}"
    return packages.mac or "use a Linux machine, container or virtual machine: macOS has none"


def requires_linux(what: str, instead: str) -> str | None:
    """Return the sentence that refuses what only Linux can do; None on Linux.

    Args:
        what: subject of the sentence, with its verb, e.g. ``emulation of ARM needs``.
        instead: what does the same on a Mac, or how to get at Linux there.
    """
    if is_linux():
        return None
    system = "macOS" if is_mac() else sys.platform
    return f"{what} Linux, this is {system}; {instead}"
