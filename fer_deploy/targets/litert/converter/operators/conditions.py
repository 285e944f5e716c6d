"""Comparisons, conditions, choices by them, and other types of numbers."""

from __future__ import annotations

import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Handler, Lowering, handles
from fer_deploy.targets.litert.converter.nodes import dtype_of, given
from fer_deploy.targets.litert.converter.operators.arithmetic import together
from fer_deploy.targets.litert.converter.values import Value

_COMPARED = {
    "eq": ("EQUAL", "EqualOptions"), "ne": ("NOT_EQUAL", "NotEqualOptions"), "lt": ("LESS", "LessOptions"),
    "le": ("LESS_EQUAL", "LessEqualOptions"), "gt": ("GREATER", "GreaterOptions"),
    "ge": ("GREATER_EQUAL", "GreaterEqualOptions"),
}  # fmt: skip


def _compared(kind: str, options: str) -> Handler:
    def handler(low: Lowering, node: Node) -> Value:
        values = [low.real(item) for item in node.args[:2]]
        dtype = "float32" if any(value.dtype == "float32" for value in values) else "int32"
        shape = low.meta(node).shape
        tensors, layout = together(low, [low.cast(value, dtype) for value in values], shape)
        return low.emit(kind, tensors, shape, "bool", options, layout=layout)

    return handler


for _operator, (_kind, _options) in _COMPARED.items():
    handles(f"aten.{_operator}.Tensor", f"aten.{_operator}.Scalar")(_compared(_kind, _options))


@handles(
    "aten.where.self",
    "aten.where.ScalarSelf",
    "aten.where.ScalarOther",
    "aten.where.Scalar",
)
def where(low: Lowering, node: Node) -> Value:
    """One value or the other, by a condition."""
    meta = low.meta(node)
    condition, *sides = (low.real(item) for item in node.args)
    values = [condition, *(low.cast(side, dtype_of(meta.dtype)) for side in sides)]
    tensors, layout = together(low, values, meta.shape)
    return low.emit(
        "SELECT_V2",
        tensors,
        meta.shape,
        dtype_of(meta.dtype),
        "SelectV2Options",
        layout=layout,
    )


@handles("aten.logical_and.default", "aten.bitwise_and.Tensor", "aten.logical_or.default", "aten.bitwise_or.Tensor",
         "aten.logical_not.default", "aten.bitwise_not.default")  # fmt: skip
def logic(low: Lowering, node: Node) -> Value:
    """Conditions joined or turned round."""
    name = str(node.target).split(".")[1].rpartition("_")[2].upper()
    values = [low.real(item) for item in node.args]
    if any(value.dtype != "bool" for value in values):
        raise TargetError(f"LiteRT's LOGICAL_{name} is of conditions, not of numbers")
    shape = low.meta(node).shape
    tensors, layout = together(low, values, shape)
    return low.emit(
        f"LOGICAL_{name}",
        tensors,
        shape,
        "bool",
        f"Logical{name.title()}Options",
        layout=layout,
    )


@handles("aten._to_copy.default", "aten.to.dtype", "aten.to.dtype_layout", "prims.convert_element_type.default",
         "aten.to.device", "aten.type_as.default")  # fmt: skip
def convert(low: Lowering, node: Node) -> Value:
    """Other types of numbers; among floats nothing is done, all of them are float32 in the file."""
    item = given(node)[0]
    value, source, goal = low.value(item), low.meta(item).dtype, low.meta(node).dtype
    if goal.is_floating_point and source.is_floating_point:
        return value
    if goal.is_floating_point or goal in (torch.int64, torch.int32):
        return low.cast(low.real(value), dtype_of(goal))
    if goal is torch.bool:
        zero = low.cast(low.value(0), low.real(value).dtype)
        shape = low.meta(node).shape
        tensors, layout = together(low, [low.real(value), zero], shape)
        return low.emit("NOT_EQUAL", tensors, shape, "bool", "NotEqualOptions", layout=layout)
    if (
        goal is torch.uint8
    ):  # what torch makes of numbers beyond 255; operators that would compute so are refused
        whole, limit = (
            low.cast(low.real(value), "int32"),
            low.cast(low.value(256), "int32"),
        )
        tensors, layout = together(low, [whole, limit], whole.shape)
        return low.emit("FLOOR_MOD", tensors, whole.shape, "int32", "FloorModOptions", layout=layout)
    return Value((), dtype_of(goal))  # which says that there is no such type
