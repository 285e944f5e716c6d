"""The same quantized graph with activations of 16 bits: weights, biases and ranges stay, steps are 257 times finer.

For NPUs whose kernels take 16-bit activations beside 8-bit weights. ONNX Runtime's CPU computes such a graph in float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

#: The first whose QuantizeLinear gives uint16 (onnx/onnx docs/Changelog.md); ONNX Runtime reads it from 1.18 on.
OPSET = 21
#: 65535 / 255: the range from 0 to 255 steps is that from 0 to 65535 finer ones.
_FINER = 257


def sixteen_bit(model: ModelProto) -> ModelProto:
    """Return a copy of a quantized graph whose uint8 activations are uint16 of the same ranges."""
    import numpy as np
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {item.name: item for item in graph.initializer}
    quantized = {node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    made: set[str] = set()
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if (node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]) not in quantized:
            continue  # a weight
        scale, zero = (onnx.numpy_helper.to_array(constants[name]) for name in node.input[1:3])
        finer = {
            f"{node.input[1]}.finer": (scale / np.float32(_FINER)).astype(np.float32),
            f"{node.input[2]}.sixteen": (zero.astype(np.uint16) * _FINER).astype(np.uint16),
        }
        for name, value in finer.items():
            if name not in made:
                graph.initializer.append(onnx.numpy_helper.from_array(value, name))
                made.add(name)
        node.input[1:3] = list(finer)
    for used in copy.opset_import:
        if used.domain in ("", "ai.onnx"):
            used.version = max(used.version, OPSET)
    return copy
