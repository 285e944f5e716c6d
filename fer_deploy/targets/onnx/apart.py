"""Two copies of a quantized ONNX graph that show where another runtime parts from this one.

In the one, every quantized tensor is a further output: what has piled up by then. In the other every step is fed on its
own, with quantized tensors that are inputs of the graph: what the step itself adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.targets.onnx.layer_outputs import layer_name
from fer_deploy.targets.onnx.runtime import session_options

if TYPE_CHECKING:
    from onnx import ModelProto

_FED = "fed."
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Step:
    """What stands between quantized tensors and the next one.

    Attributes:
        name: the module's path where it has a weight, else the name of its operation.
        operators: its operations, in order, e.g. ``Conv, Clip``.
        output: the quantized tensor that it gives.
    """

    name: str
    operators: tuple[str, ...]
    output: str


def steps_of(model: ModelProto) -> tuple[Step, ...]:
    """Return the steps of a quantized graph, in order; none of a float one."""
    makers = {output: node for node in model.graph.node for output in node.output}
    constants = {item.name for item in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        chain = list(_before(makers.get(node.input[0]), makers))
        weighted = next((one for one in chain if len(one.input) > 1 and one.op_type != "Clip"), None)
        name = node.input[0] if weighted is None else layer_name(weighted, makers, constants)
        operators = tuple(one.op_type for one in reversed(chain)) or ("QuantizeLinear",)
        found.append(Step(name, operators, node.output[0]))
    return tuple(found)


def _before(node: Any, makers: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what stands before a quantization, backwards, until quantized tensors come in."""
    while node is not None and node.op_type != "DequantizeLinear":
        yield node
        node = makers.get(node.input[0]) if node.input else None


def with_every_output(model: ModelProto) -> ModelProto:
    """Return a copy whose outputs are all quantized tensors instead."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=step.output) for step in steps_of(model))
    return copy


def apart(model: ModelProto, values: Arrays) -> tuple[ModelProto, dict[str, NDArray[np.generic]]]:
    """Return a copy whose steps do not feed each other, and what to feed it with.

    Args:
        model: the quantized graph.
        values: every quantized tensor, as :func:`with_every_output` gives them, pictures along the first axis.
    """
    import onnx

    copy = with_every_output(model)
    final = {output.name for output in model.graph.output}
    feeds: dict[str, NDArray[np.generic]] = {}
    for node in copy.graph.node:
        source = node.input[0] if node.input else ""
        if node.op_type != "DequantizeLinear" or source not in values or node.output[0] in final:
            continue
        name = _FED + source
        if name not in feeds:
            feeds[name] = values[source]
            kind = onnx.helper.np_dtype_to_tensor_dtype(values[source].dtype)
            shape = [1, *values[source].shape[1:]]
            copy.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
        node.input[0] = name
    return copy, feeds


def layers_by_node(model: ModelProto) -> dict[str, str]:
    """Return the layer that each node with a weight is, and that what dequantizes its weight and bias belongs to."""
    makers = {output: node for node in model.graph.node for output in node.output}
    constants = {item.name for item in model.graph.initializer}
    found: dict[str, str] = {}
    for node in model.graph.node:
        given = [makers[name] for name in node.input[1:] if name in makers]
        given = [one for one in given if one.input[0] in constants]
        if node.op_type == "DequantizeLinear" or not given:
            continue
        name = layer_name(node, makers, constants)
        # the last is what ONNX Runtime calls the dequantization of a bias that it quantized itself
        of = [node.name, *(one.name for one in given), f"{node.name}_bias_dq"]
        found |= dict.fromkeys(of, name)
    return found


def scale_of(model: ModelProto, tensor: str) -> tuple[float, int]:
    """Return the scale and the zero point of a quantized tensor."""
    import onnx

    constants = {item.name: item for item in model.graph.initializer}
    (node,) = (one for one in model.graph.node if tensor in one.output)
    scale, zero = (onnx.numpy_helper.to_array(constants[name]).reshape(-1)[0] for name in node.input[1:3])
    return float(scale), int(zero)


def run_here(model: ModelProto, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
    """Return what ONNX Runtime gives on this machine's CPU, each picture alone, pictures along the first axis."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    pictures = len(next(iter(inputs.values())))
    given = [
        session.run(names, {name: array[index : index + 1] for name, array in inputs.items()})
        for index in range(pictures)
    ]
    return {name: np.concatenate([one[place] for one in given]) for place, name in enumerate(names)}
