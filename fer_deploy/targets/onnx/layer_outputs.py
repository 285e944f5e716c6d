"""What each layer of an ONNX file gives, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, first_line
from fer_deploy.quantize.layers import LayerOutput
from fer_deploy.targets.onnx.runtime import session_options

#: Operations that have a weight.
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
#: What may stand between a layer and the value that goes on: normalisation, clamp, its own quantization.
_TAIL = {"BatchNormalization", "Relu", "Clip", "QuantizeLinear", "DequantizeLinear", "Add"}


def layer_outputs(file: Path, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of an ONNX file, run by ONNX Runtime, in order.

    The file is copied in memory with the layers' ends as further outputs. Graph optimisations are on as in
    use, but the added outputs keep a layer's end a value of its own.

    Args:
        file: an artifact's model.onnx, batch 1.
        pixels: uint8 (N, C, H, W).

    Raises:
        ArtifactError: ONNX Runtime refuses the extended file.
    """
    import onnx
    import onnxruntime

    model = onnx.load(file)
    layers = list(_layers(model.graph))
    ends = [end for _, end in layers]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=end) for end in ends)
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exception classes have no common public base
        raise ArtifactError(
            f"{file} does not run with its layers' outputs added: {first_line(error)}"
        ) from None
    feed = session.get_inputs()[0].name
    parts = [session.run(ends, {feed: image[None].astype(np.float32)}) for image in pixels]
    return [
        LayerOutput(name, np.concatenate([part[index] for part in parts]).astype(np.float32))
        for index, (name, _) in enumerate(layers)
    ]


def _layers(graph: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the final value of each layer that has a weight."""
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    constants = {item.name for item in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type not in _WEIGHTED:
            continue
        end = node.output[0]
        while True:
            following = users.get(end, [])
            kinds = {user.op_type for user in following}
            if len(following) == 1 and _continues(following[0], end, constants):
                end = following[0].output[0]
            elif following and kinds == {"DequantizeLinear"}:
                end = following[0].output[0]
                break
            else:
                break
        yield layer_name(node, makers, constants), end


def layer_name(node: Any, makers: dict[str, Any], constants: set[str]) -> str:
    """Return the module path that the exporter left in the name of a weight or bias, or the node's name."""
    for value in node.input[1:]:
        while value not in constants and value in makers:
            value = makers[value].input[0]
        for ending in (".weight_bias", ".weight", ".bias"):
            if value in constants and value.endswith(ending):
                return str(value.removesuffix(ending))
    return str(node.output[0])


def _continues(node: Any, value: str, constants: set[str]) -> bool:
    """True when ``node`` belongs to the layer that gave ``value``; an Add only when it adds a bias."""
    if node.op_type == "Add":
        return all(name == value or name in constants for name in node.input)
    return node.op_type in _TAIL - {"DequantizeLinear"}
