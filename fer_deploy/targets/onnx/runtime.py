"""ONNX Runtime on this machine: how a session is opened, so that int8 is exact on any processor; its own profile.

The option for exact int8 is for files with int8 weights, which this version does not write any more. The profile is
JSON of Chrome's trace events.
"""

from __future__ import annotations

import json
import math
import platform
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_deploy.targets.base import Kernels, LayerTrace

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


KERNELS = Kernels(
    multiplying=frozenset(
        {
            *("Conv", "ConvInteger", "QLinearConv", "FusedConv", "NhwcFusedConv", "ConvTranspose"),
            *("Gemm", "QGemm", "FusedGemm", "MatMul", "FusedMatMul", "QLinearMatMul", "MatMulInteger"),
            "DynamicQuantizeMatMul",
        }
    ),
    floating=frozenset({"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Add", "Mul"}),
    #: Float convolutions in blocks of channels.
    blocked="_nchwc",
)
_ENDING = "_kernel_time"


def read_trace(data: bytes) -> tuple[LayerTrace, ...]:
    """Return the operators of a profile, in the order they ran; raises whatever damaged JSON makes it stumble over."""
    events = [
        event for event in json.loads(data) if event.get("cat") == "Node" and event["name"].endswith(_ENDING)
    ]
    times: dict[str, list[float]] = defaultdict(list)
    details: dict[str, dict[str, Any]] = {}
    for event in events:
        name = event["name"].removesuffix(_ENDING)
        times[name].append(event["dur"] / 1000)  # microseconds (Chrome's trace event format)
        details.setdefault(name, event["args"])
    return tuple(
        LayerTrace(
            name,
            args["op_name"],
            args["provider"].removesuffix("ExecutionProvider"),
            tuple(times[name]),
            _elements(args.get("output_type_shape", [])),
            int(args["parameter_size"]) if "parameter_size" in args else None,
        )
        for name, args in details.items()
    )


def _elements(shapes: list[dict[str, list[int]]]) -> int | None:
    if not shapes:
        return None
    return sum(math.prod(sides) for shape in shapes for sides in shape.values())
