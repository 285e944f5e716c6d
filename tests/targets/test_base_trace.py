"""The runtimes' own profiles, as the targets read them, and what is known of their kernels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.layer_times import read_trace
from fer_deploy.targets.base import Kernels, LayerTrace
from fer_deploy.targets.registry import get_target


def event(name: str, microseconds: int, **arguments: object) -> dict[str, Any]:
    """Return an operator's event as ONNX Runtime writes it."""
    args = {"op_name": "Conv", "provider": "CPUExecutionProvider", **arguments}
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": args}


def test_onnx_runtimes_events_become_operators_in_the_order_they_ran() -> None:
    sizes = {"output_type_shape": [{"float": [1, 8, 6, 6]}], "parameter_size": "288"}
    events = [
        {"cat": "Session", "name": "session_initialization", "dur": 9},
        event("stem", 2000, **sizes),
        {**event("stem", 1), "name": "stem_fence_before"},
        event("head", 500, op_name="Gemm"),
        event("stem", 4000, **sizes),
        event("head", 700, op_name="Gemm"),
    ]
    assert read_trace("onnx", json.dumps(events).encode()) == (
        LayerTrace("stem", "Conv", "CPU", (2.0, 4.0), 288, 288),
        LayerTrace("head", "Gemm", "CPU", (0.5, 0.7)),
    )


def test_a_profile_without_operators_is_refused() -> None:
    with pytest.raises(DeviceError, match="the per-layer profile of onnx names no operator"):
        read_trace("onnx", b"[]")


@pytest.mark.parametrize("target", ["executorch", "onnx"])
def test_garbage_is_one_sentence(target: str) -> None:
    with pytest.raises(DeviceError, match=f"the per-layer profile of {target} cannot be read"):
        read_trace(target, b"\x07 no profile")


def test_a_target_that_reads_none_says_so() -> None:
    assert get_target("coreml").read_trace(b"") == Unknown(
        reason="no per-layer profile of coreml is understood"
    )
    with pytest.raises(DeviceError, match="no per-layer profile of coreml is understood"):
        read_trace("coreml", b"")


@pytest.mark.parametrize(
    ("target", "kind", "multiplies"),
    [
        ("onnx", "FusedConv", True),
        ("onnx", "QLinearConv", True),
        ("onnx", "Convolution", False),
        ("onnx", "MaxPool", False),
        ("executorch", "Convolution (NHWC, F32) IGEMM", True),
        ("executorch", "Fully Connected (NC, QS8, QC8W) GEMM", True),
        ("executorch", "addmm.out", True),
        ("executorch", "Add (ND, F32)", False),
        ("coreml", "conv", False),
    ],
)
def test_kernels_that_multiply(target: str, kind: str, multiplies: bool) -> None:
    assert get_target(target).kernels.multiplies(kind) is multiplies


def test_kernels_of_which_nothing_is_said() -> None:
    unknown = Kernels()
    assert not unknown.multiplies("Conv")
    assert not unknown.is_depthwise("Convolution (NHWC, F32) DWConv")
    assert not unknown.is_blocked("stem_nchwc")
    assert get_target("executorch").kernels.is_depthwise("Convolution (NHWC, F32) DWConv")
    assert get_target("onnx").kernels.is_blocked("stem_nchwc")
