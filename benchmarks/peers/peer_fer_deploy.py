"""fer-deploy, as its page on Python shows it, with the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_deploy import Faces, Model


def quantize(model: Model, faces: Faces, output: Path, target: str) -> None:
    """Export one artifact."""
    import fer_deploy as fd

    artifact = fd.export(model, target=target, recipe="w8a8-ptq", calibration=faces)
    output.write_bytes(artifact.file.read_bytes())


def quantize_signed(model: Model, faces: Faces, output: Path, target: str) -> None:
    """Export one ONNX artifact and store its weights as int8 in place of uint8: the same numbers, 128 lower.

    No option of fer-deploy: here to show what the weights' sign costs or gains in speed.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    import fer_deploy as fd

    artifact = fd.export(model, target=target, recipe="w8a8-ptq", calibration=faces)
    whole = onnx.load(artifact.file)
    constants = {one.name: one for one in whole.graph.initializer}
    for node in whole.graph.node:
        weight = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if weight is None or weight.data_type != onnx.TensorProto.UINT8:
            continue
        zeros = numpy_helper.to_array(constants[node.input[2]])
        if not (zeros == 128).all():
            raise ValueError(f"{weight.name} is not symmetric")
        lower = numpy_helper.to_array(weight).astype(np.int16) - 128
        weight.CopyFrom(numpy_helper.from_array(lower.astype(np.int8), weight.name))
        name = f"{weight.name}_zero"
        whole.graph.initializer.append(numpy_helper.from_array(np.zeros(zeros.shape, np.int8), name))
        node.input[2] = name
    used = {name for node in whole.graph.node for name in node.input}
    for one in [one for one in whole.graph.initializer if one.name not in used]:
        whole.graph.initializer.remove(one)
    onnx.save(whole, output)
