"""Reads ExecuTorch's own profile, an ETDump."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fer_deploy.quiet import quiet
from fer_deploy.targets.base import NOT_DELEGATED, Kernels, LayerTrace

#: How XNNPACK's names of kernels that multiply begin, and those of ExecuTorch's own kernels.
KERNELS = Kernels(
    beginnings=(
        *("Convolution", "Deconvolution", "Fully Connected", "Batch Matrix Multiply"),
        *("convolution.", "addmm.", "mm.", "bmm.", "linear."),
    ),
    depthwise="DWConv",
)
#: How kernels that ExecuTorch runs itself are called in an ETDump; the rest are its own brackets around them.
_KERNEL = "native_call_"


def read_trace(data: bytes) -> tuple[LayerTrace, ...]:
    """Return the operators of an ETDump, in the order they ran; raises whatever the inspector stumbles over."""
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
            # the wheel's XNNPACK leaves the backend's name out; it is the only delegate that runs here
            layers.append(LayerTrace(event.name, kind, event.delegate_backend_name or "XNNPACK", times))
        elif event.name.startswith(_KERNEL):
            name = event.name.removeprefix(_KERNEL)
            layers.append(LayerTrace(name, name, NOT_DELEGATED, times))
    return tuple(layers)
