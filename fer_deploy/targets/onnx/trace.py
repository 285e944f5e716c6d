"""Reads ONNX Runtime's own profile, JSON of Chrome's trace events."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any

from fer_deploy.targets.trace import Kernels, LayerTrace

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
