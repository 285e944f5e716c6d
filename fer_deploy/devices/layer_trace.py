"""Reads the profiles that the runtimes write: ExecuTorch's ETDump and ONNX Runtime's JSON."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_deploy.errors import DeviceError
from fer_deploy.quiet import quiet

#: How kernels that ExecuTorch runs itself are called in an ETDump; the rest are its own brackets around them.
_KERNEL = "native_call_"
_ORT_ENDING = "_kernel_time"


@dataclass(frozen=True)
class LayerTrace:
    """One operator as the runtime ran it.

    Attributes:
        name: the runtime's name for it.
        kind: the runtime's name for its kind of kernel.
        place: the delegate or provider that ran it.
        milliseconds: one duration per inference, in order.
        outputs: elements written, or None where the profile does not say.
        weights: parameters in bytes, or None where the profile does not say.
    """

    name: str
    kind: str
    place: str
    milliseconds: tuple[float, ...]
    outputs: int | None = None
    weights: int | None = None


def read_trace(target: str, data: bytes) -> tuple[LayerTrace, ...]:
    """Return the operators of a runtime's profile, in the order they ran.

    Args:
        target: ``executorch`` or ``onnx``.
        data: the profile.

    Raises:
        DeviceError: the target has no profile that is understood here, or the profile is damaged or empty.
    """
    readers = {"executorch": _read_etdump, "onnx": _read_onnx}
    if target not in readers:
        raise DeviceError(f"no per-layer profile of {target} is understood; of {' and '.join(readers)} only")
    try:
        layers = readers[target](data)
    except Exception as error:  # foreign bytes: the parsers raise whatever they stumble over
        raise DeviceError(f"the per-layer profile of {target} cannot be read: {error}") from None
    if not layers:
        raise DeviceError(f"the per-layer profile of {target} names no operator")
    return layers


def _read_etdump(data: bytes) -> tuple[LayerTrace, ...]:
    with tempfile.TemporaryDirectory() as folder, quiet():
        from executorch.devtools import Inspector

        path = Path(folder) / "trace.etdump"
        path.write_bytes(data)
        blocks = Inspector(etdump_path=str(path)).event_blocks
    layers = []
    for event in (event for block in blocks if block.name == "Execute" for event in block.events):
        times = tuple(float(time) for time in event.perf_data.raw) if event.perf_data else ()
        if event.is_delegated_op:
            kind = event.name.partition(" #")[0]
            # the wheel's XNNPACK leaves the backend's name out; it is the only delegate our targets use
            layers.append(LayerTrace(event.name, kind, event.delegate_backend_name or "XNNPACK", times))
        elif event.name.startswith(_KERNEL):
            name = event.name.removeprefix(_KERNEL)
            layers.append(LayerTrace(name, name, "not delegated", times))
    return tuple(layers)


def _read_onnx(data: bytes) -> tuple[LayerTrace, ...]:
    events = [
        one for one in json.loads(data) if one.get("cat") == "Node" and one["name"].endswith(_ORT_ENDING)
    ]
    times: dict[str, list[float]] = defaultdict(list)
    details: dict[str, dict[str, Any]] = {}
    for event in events:
        name = event["name"].removesuffix(_ORT_ENDING)
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
    total = 0
    for shape in shapes:
        for sides in shape.values():
            count = 1
            for side in sides:
                count *= side
            total += count
    return total
