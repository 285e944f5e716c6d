"""From an exported graph to a LiteRT file: the walk over its nodes, and what every operator's writer needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.nodes import (
    DEQUANTIZE,
    QUANTIZE,
    Tail,
    dtype_of,
    known,
)
from fer_deploy.targets.litert.converter.values import Layout, Value, plain
from fer_deploy.targets.litert.converter.writer import IntegerGrid, Writer

#: Writes one node; returns its value, or one for each of several.
Handler = Callable[["Lowering", Node], "Value | list[Value]"]
HANDLERS: dict[str, Handler] = {}


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Register a writer for operators by their full names, ``aten.add.Tensor``."""

    def keep(handler: Handler) -> Handler:
        for operator in operators:
            assert operator not in HANDLERS, operator
            HANDLERS[operator] = handler
        return handler

    return keep


class Lowering:
    """Writes the nodes of one exported program into a :class:`Writer`."""

    def __init__(self, program: torch.export.ExportedProgram, names: dict[str, str]) -> None:
        """Take a program of one input; ``names`` has what nodes are called in the file, by their own names."""
        self.writer = Writer()
        self.program, self.names = program, names
        self.values: dict[Node, Value | list[Value]] = {}
        self.name = ""

    # --- what writers of operators ask for ------------------------------------------------------------

    def meta(self, node: Node) -> torch.Tensor:
        """Return the shape and type that torch found for a node's value."""
        value: Any = node.meta["val"]
        assert isinstance(value, torch.Tensor)
        return value

    def value(self, item: Any) -> Value:
        """Return the value of a node, or of a number of Python's."""
        if isinstance(item, Node):
            found = self.values[item]
            assert isinstance(found, Value)
            return found
        tensor = torch.tensor(item)
        return Value((), dtype_of(tensor.dtype), constant=tensor)

    def real(self, item: Any) -> Value:
        """Return the value as the graph computes with it: dequantized."""
        value = item if isinstance(item, Value) else self.value(item)
        if value.grid is None:
            return value
        if value.real is None:
            if value.constant is not None:
                numbers = (value.constant.float() - value.grid.zero_point) * value.grid.scale
                value.real = Value(value.shape, "float32", constant=numbers)
            else:
                value.real = self.emit("DEQUANTIZE", [self.held(value)], value.shape, layout=value.layout)
        return value.real

    def held(self, value: Value, layout: Layout | None = None) -> int:
        """Return the tensor that holds a value in a layout, any where None; it is moved there where it must be."""
        if layout is None:
            layout = value.layout
        if layout not in value.held:
            value.held[layout] = (
                self._constant(value, layout) if value.constant is not None else self._moved(value, layout)
            )
        return value.held[layout]

    def _constant(self, value: Value, layout: Layout) -> int:
        assert value.constant is not None
        array = value.constant.detach().permute(layout) if value.rank else value.constant.detach()
        kind = {
            "int8": torch.int8,
            "float32": torch.float32,
            "bool": torch.bool,
            "int32": torch.int32,
        }[value.dtype]
        if value.dtype == "int32":
            array = array.clamp(-(2**31), 2**31 - 1)
        return self.writer.constant(array.to(kind).contiguous().numpy(), value.name, value.grid)

    def _moved(self, value: Value, layout: Layout) -> int:
        old = next((one for one in value.held if value.order(one) == value.order(layout)), None)
        shape = [value.shape[axis] for axis in layout]
        if old is not None:
            return self._reshaped(value, value.held[old], shape)
        old, source = next(iter(value.held.items()))
        order = np.array([old.index(axis) for axis in layout], np.int32)
        moved = self.writer.tensor(value.name, shape, value.dtype, value.grid)
        self.writer.operator(
            "TRANSPOSE",
            [source, self.writer.constant(order)],
            [moved],
            "TransposeOptions",
        )
        return moved

    def _reshaped(self, value: Value, source: int, shape: Sequence[int]) -> int:
        result = self.writer.tensor(value.name, shape, value.dtype, value.grid)
        numbers = np.array(shape, np.int32)
        self.writer.operator(
            "RESHAPE",
            [source, self.writer.constant(numbers)],
            [result],
            "ReshapeOptions",
            newShape=list(shape),
        )
        return result

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """Return a value's elements, in torch's order, in another shape; a grid is kept."""
        shape = tuple(int(side) for side in shape)
        if value.constant is not None:
            return Value(shape, value.dtype, value.grid, value.constant.reshape(shape))
        wanted = plain(value.rank)
        same = next(
            (one for one in value.held if value.order(one) == value.order(wanted)),
            wanted,
        )
        source = self.held(value, same)
        result = Value(shape, value.dtype, value.grid, name=value.name)
        result.held[plain(len(shape))] = (
            source if value.shape == shape and same == wanted else self._reshaped(value, source, shape)
        )
        return result

    def permuted(self, value: Value, order: Sequence[int]) -> Value:
        """Return a value with its axes in another order; nothing is moved in memory until somebody needs it."""
        axes = [int(axis) % value.rank for axis in order]
        result = Value(
            tuple(value.shape[axis] for axis in axes),
            value.dtype,
            value.grid,
            name=value.name,
        )
        if value.constant is not None:
            result.constant = value.constant.permute(axes)
        result.held = {tuple(axes.index(axis) for axis in old): tensor for old, tensor in value.held.items()}
        return result

    def cast(self, value: Value, dtype: str) -> Value:
        """Return a value in another type, dequantized."""
        value = self.real(value)
        if value.dtype == dtype:
            return value
        if value.constant is not None:
            return Value(value.shape, dtype, constant=value.constant.to(getattr(torch, dtype)))
        return self.emit("CAST", [self.held(value)], value.shape, dtype, layout=value.layout)

    def emit(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        dtype: str = "float32",
        options: str | None = None,
        *,
        layout: Layout | None = None,
        grid: IntegerGrid | None = None,
        name: str | None = None,
        **fields: Any,
    ) -> Value:
        """Add an operator of one output and return that: of ``shape`` as torch has it, in a layout of memory."""
        shape = tuple(int(side) for side in shape)
        layout = plain(len(shape)) if layout is None else layout
        name = name or self.name
        result = Value(shape, "int8" if grid else dtype, grid, name=name)
        tensor = self.writer.tensor(name, [shape[axis] for axis in layout], result.dtype, grid)
        result.held[layout] = tensor
        self.writer.operator(kind, inputs, [tensor], options, **fields)
        return result

    def numbers(self, numbers: Sequence[int] | NDArray[Any]) -> int:
        """Return a constant of int32 numbers: axes, shapes, paddings."""
        return self.writer.constant(np.asarray(numbers, np.int32))

    def ended(self, value: Value, tail: Tail, activation: int) -> Value:
        """Return a node's value with the rest of its tail done; ``activation`` is what the operator itself did."""
        if activation != tail.activation:
            value = self.clamped(value, tail.low, tail.high)
        for node in tail.nodes:
            self.values[node] = value
        return value

    def clamped(self, value: Value, low: float, high: float) -> Value:
        """Return a value within bounds; one on a grid stays on it."""
        for kind, bound in (("MAXIMUM", low), ("MINIMUM", high)):
            if not math.isfinite(bound):
                continue
            if value.grid is not None:
                integer = value.grid.integer(bound)
                if integer in (value.grid.qmin, value.grid.qmax) and (integer == value.grid.qmin) == (
                    kind == "MAXIMUM"
                ):
                    continue
                limit = self.writer.constant(np.array(integer, np.int8), grid=value.grid)
            elif value.dtype == "int32":
                limit = self.writer.constant(np.array(bound, np.int32))
            else:
                limit = self.writer.constant(np.array(bound, np.float32))
            value = self.emit(
                kind, [self.held(value), limit], value.shape, value.dtype, "MaximumMinimumOptions",
                layout=value.layout, grid=value.grid,
            )  # fmt: skip
        return value

    # --- the walk -------------------------------------------------------------------------------------

    def run(self, contents: dict[str, Any], description: str) -> bytes:
        """Write every node and return the file.

        Args:
            contents: parameters, buffers and constants by the names of their placeholders.
            description: of the file, in its own field.

        Raises:
            TargetError: an operator has no writer, or its writer refuses the way it is used.
        """
        logits: Value | None = None
        inputs: dict[str, int] = {}
        for node in self.program.graph.nodes:
            self.name = self.names.get(node.name, node.name)
            if node.op == "placeholder":
                self.values[node] = self._placeholder(node, contents, inputs)
            elif node.op == "output":
                self.name = "logits"
                logits = self.real(node.args[0][0])
            elif node not in self.values:
                self.values[node] = self._written(node)
        assert logits is not None
        if logits.constant is not None:
            raise TargetError("the answer does not depend on the image: LiteRT has no operator to run")
        goal = self.held(self.cast(logits, "float32"), plain(logits.rank))
        self.writer.rename(goal, "logits")
        return self.writer.pack(inputs, {"logits": goal}, description)

    def _placeholder(self, node: Node, contents: dict[str, Any], inputs: dict[str, int]) -> Value:
        if node.name in contents:
            tensor: torch.Tensor = contents[node.name].detach()
            dtype = "int8" if tensor.dtype is torch.int8 else dtype_of(tensor.dtype)
            return Value(tuple(tensor.shape), dtype, constant=tensor, name=self.name)
        shape = tuple(self.meta(node).shape)
        inputs["pixels"] = self.writer.tensor("pixels", shape, "float32")
        return Value(shape, "float32", held={plain(len(shape)): inputs["pixels"]}, name="pixels")

    def _written(self, node: Node) -> Value | list[Value]:
        ready = self._folded(node)
        if ready is not None:
            return ready
        handler = HANDLERS.get(str(node.target))
        if handler is None:
            raise TargetError(f"LiteRT has no operator for {node.target}")
        return handler(self, node)

    def _folded(self, node: Node) -> Value | list[Value] | None:
        """Return what a node gives where that is known before any image, computed by torch; else None."""
        if str(node.target) in (QUANTIZE, DEQUANTIZE) or any(
            not isinstance(value := self.values[source], Value)
            or value.constant is None
            or value.grid is not None
            for source in node.all_input_nodes
        ):
            return None

        def content(source: Node) -> Any:
            value = self.values[source]
            assert isinstance(value, Value)
            return value.constant

        arguments, keywords = torch.fx.map_arg((node.args, node.kwargs), content)
        assert callable(node.target)
        with torch.no_grad():
            result = node.target(*arguments, **keywords)
        if isinstance(result, torch.Tensor):
            return known(result)
        return [known(one) for one in result] if isinstance(result, (tuple, list)) else None
