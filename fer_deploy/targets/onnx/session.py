"""How a session of ONNX Runtime is opened on this machine, so that int8 is exact on any processor.

The option is for files with int8 weights, which this version does not write any more.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import SessionOptions


def session_options(threads: int, exact: bool = True) -> SessionOptions:
    """Return options for ``threads`` threads, with exact int8 kernels and nothing said below an error.

    Not ``exact``: as an app opens a file that was told nothing.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if exact and lacks_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def lacks_vnni() -> bool:
    """True on x86 processors on which int8 saturates unless ``session.x64quantprecision`` is set.

    With VNNI the option is exact too, but the kernels it chooses take twice as long. A system that does not
    say what its processor has is taken to lack it: slow, not wrong.
    """
    if platform.machine().lower() not in {"x86_64", "amd64", "i386", "i686"}:
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True
