"""What each layer of a LiteRT file gives, run by LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.layers import LayerOutput
from fer_deploy.targets.litert.inspect import LAYERS, kinds, open_model
from fer_deploy.targets.litert.runtime import IDENTIFIER, interpreter

#: What may stand between a layer and the value that goes on.
_TAIL = {"RELU", "RELU6", "RELU_N1_TO_1", "MAXIMUM", "MINIMUM", "QUANTIZE"}


def layer_outputs(file: Path, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of a LiteRT file, in order.

    The file is copied in memory with the layers' ends as further outputs; its operators and the delegate stay.

    Args:
        file: an artifact's model.tflite, batch 1.
        pixels: uint8 (N, C, H, W).

    Raises:
        ArtifactError: the file is damaged, or LiteRT refuses the extended one.
        TargetError: the interpreter is not installed.
    """
    import flatbuffers

    model = open_model(file)
    graph = model.subgraphs[0]
    layers = list(_layers(model))
    graph.outputs = [end for _, end, _ in layers]
    model.signatureDefs = []
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    opened = interpreter(bytes(builder.Output()), 1, file)
    source = opened.get_input_details()[0]["index"]
    details = {one["index"]: one for one in opened.get_output_details()}
    rows: list[list[NDArray[np.float32]]] = []
    for image in pixels:
        opened.set_tensor(source, image[None].astype(np.float32))
        opened.invoke()
        rows.append([_real(opened.get_tensor(end), details[end], map_) for _, end, map_ in layers])
    return [
        LayerOutput(name, np.concatenate([row[index] for row in rows]))
        for index, (name, _, _) in enumerate(layers)
    ]


def _layers(model: Any) -> Iterator[tuple[str, int, bool]]:
    """Yield the name of each layer that has a weight, its final tensor, and whether that has channels last."""
    graph = model.subgraphs[0]
    names = kinds(model)
    users: dict[int, list[tuple[str, Any]]] = {}
    for name, operator in zip(names, graph.operators, strict=True):
        for index in operator.inputs:
            users.setdefault(int(index), []).append((name, operator))
    for name, operator in zip(names, graph.operators, strict=True):
        place = LAYERS.get(name, (0, 0))[0]
        if name not in LAYERS or not graph.tensors[operator.inputs[place]].buffer:
            continue
        end = int(operator.outputs[0])
        while len(following := users.get(end, [])) == 1 and following[0][0] in _TAIL:
            end = int(following[0][1].outputs[0])
        weight = graph.tensors[operator.inputs[place]].name.decode()
        yield weight.removesuffix(".weight"), end, name != "FULLY_CONNECTED"


def _real(values: NDArray[Any], detail: dict[str, Any], channels_last: bool) -> NDArray[np.float32]:
    """Return a tensor in real units, in torch's layout."""
    if values.dtype == np.int8:
        scale, zero_point = detail["quantization"]
        values = (values.astype(np.float32) - zero_point) * np.float32(scale)
    real: NDArray[np.float32] = values.astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(real, -1, 1)) if channels_last else real
