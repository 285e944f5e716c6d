"""Static advice: what is known or reported to keep a program off the Neural Engine, and fp16's range.

Apple does not document what the Neural Engine takes. Every rule names who says so; Core ML alone decides,
per device and release, and a compute plan on a Mac or a trace on a phone is the only proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fer_deploy.quantize.graph import Scales
from fer_deploy.targets.coreml.interpreter.program import Operation, Program, Reference
from fer_deploy.targets.coreml.options import MINIMUM_IOS

#: Largest finite half-precision number (IEEE 754-2019, binary16).
FP16_MAX = 65504.0
_IOS16 = {
    "constexpr_affine_dequantize",
    "constexpr_cast",
    "constexpr_lut_to_dense",
    "constexpr_sparse_to_dense",
}
_IOS18 = {
    "constexpr_blockwise_shift_scale",
    "constexpr_lut_to_sparse",
    "constexpr_sparse_blockwise_shift_scale",
    "slice_update",
    "scaled_dot_product_attention",
}
_COLLECTION = "github.com/hollance/neural-engine, unsupported-layers.md (collected reports, partly guesses)"
_GUIDE = "ane-guide.readthedocs.io, capability surface (reverse-engineered)"
_TYPED = "coremltools guide, typed execution"


@dataclass(frozen=True)
class Rule:
    """A condition on one operation that is reported to keep it off the Neural Engine."""

    says: str
    source: str
    applies: Callable[[Operation, Program], bool]


def _is(*kinds: str) -> Callable[[Operation, Program], bool]:
    return lambda operation, _: operation.kind in kinds


def _integers(operation: Operation, program: Program, parameter: str) -> list[int]:
    argument = operation.arguments.get(parameter)
    value = program.constants.get(argument.name) if isinstance(argument, Reference) else argument
    return [int(item) for item in value.reshape(-1)] if isinstance(value, np.ndarray) else []


def _rank(operation: Operation) -> int:
    declared = operation.outputs[0][1]
    return len(declared.shape) if declared is not None else 0


def _computes_in(dtype: str) -> Callable[[Operation, Program], bool]:
    """Holds where an operation on data, and not one on shapes or constants, gives ``dtype``."""

    def check(operation: Operation, program: Program) -> bool:
        declared = operation.outputs[0][1]
        if declared is None or declared.dtype != dtype or operation.kind.startswith(("constexpr_", "cast")):
            return False
        return operation.kind != "shape" and operation.outputs[0][0] not in program.constants

    return check


def _large(operation: Operation, _: Program) -> bool:
    declared = operation.outputs[0][1]
    return declared is not None and any(size is not None and size > 16384 for size in declared.shape)


#: In the order in which they are reported.
RULES: tuple[Rule, ...] = (
    Rule("computes in fp32; the Neural Engine computes in fp16 only", _TYPED, _computes_in("FLOAT32")),
    Rule("computes on int32", f"{_GUIDE}; reports", _computes_in("INT32")),
    Rule("is a recurrent layer", _COLLECTION, _is("lstm", "gru", "rnn")),
    Rule("gathers", _COLLECTION, _is("gather", "gather_nd", "gather_along_axis")),
    Rule("has no hardware path", _GUIDE, _is("reduce_prod", "scatter", "scatter_nd", "scatter_along_axis")),
    Rule(
        "is a dilated convolution (the two sources disagree)",
        f"against: {_COLLECTION}; for: {_GUIDE}",
        lambda operation, program: (
            operation.kind == "conv" and any(d > 1 for d in _integers(operation, program, "dilations"))
        ),
    ),
    Rule(
        "is a 3-D convolution",
        _GUIDE,
        lambda operation, _: operation.kind in ("conv", "conv_transpose") and _rank(operation) == 5,
    ),
    Rule(
        "has a dimension above 16,384",
        "gist.github.com/antmikinka/715499ae63630575065b22e5cb6ad8dd (reports)",
        _large,
    ),
)


def advice(program: Program) -> tuple[str, ...]:
    """Return one line per rule that some operation meets, and what holds for every small program."""
    lines = []
    for rule in RULES:
        met = [operation for operation in program.operations if rule.applies(operation, program)]
        if met:
            first = met[0]
            more = f" and {len(met) - 1} more" if len(met) > 1 else ""
            lines.append(
                f"may leave the Neural Engine: {first.kind} at '{first.name}'{more} {rule.says} "
                f"[{rule.source}]"
            )
    if any(operation.kind == "quantize" for operation in program.operations):
        lines.append(
            "int8 activations are faster than fp16 only from A17 Pro and M4 on "
            "[coremltools guide, quantization overview]"
        )
    needed, why = needed_ios(program)
    exported_for = program.specification_version + 9
    if exported_for > needed:
        lines.append(
            f"loads on iOS {exported_for} and later because it was exported for it; its operations need iOS "
            f"{needed} ({why})"
        )
    return tuple(lines)


def needed_ios(program: Program) -> tuple[int, str]:
    """Return the oldest iOS version whose operation set holds the program's operations, and what needs it."""
    kinds = {operation.kind for operation in program.operations}
    if kinds & _IOS18:
        return 18, ", ".join(sorted(kinds & _IOS18))
    precision = "w8a8" if kinds & {"quantize", "dequantize"} else "w8" if kinds & _IOS16 else "fp16"
    return MINIMUM_IOS[precision]


def calibrated_ranges(scales: Scales) -> dict[str, tuple[float, float]]:
    """Return tensor name to the real range (low, high) that calibration gave its int8 grid."""
    return {
        one.tensor: ((one.qmin - one.zero_point) * one.scale, (one.qmax - one.zero_point) * one.scale)
        for one in scales.activations
    }


def fp16_overflow(ranges: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Return one line per tensor whose calibrated range (low, high) leaves fp16's, or is near it.

    Near: within a factor of two, which an image outside the calibration set may well bring.
    """
    lines = []
    for name, (low, high) in ranges.items():
        peak = max(abs(low), abs(high))
        if not math.isfinite(peak) or peak > FP16_MAX:
            lines.append(
                f"{name} reaches {peak:.3g}, beyond fp16's {FP16_MAX:,.0f}: it overflows to infinity"
            )
        elif peak > FP16_MAX / 2:
            lines.append(f"{name} reaches {peak:.3g}, within a factor of two of fp16's {FP16_MAX:,.0f}")
    return tuple(lines)
