"""What each layer gives, in torch, in ONNX Runtime and in Core ML's interpreter, to be set side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, first_line
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.layers import attribute, clamp_operators, layer_name, name_layers, weighted_operators
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.onnx.session import session_options

if TYPE_CHECKING:
    import torch

#: Operations of an ONNX file that have a weight.
_ONNX_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
#: What may stand between a layer and the value that goes on: normalisation, clamp, its own quantization.
_DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor"
_ONNX_TAIL = {"BatchNormalization", "Relu", "Clip", "QuantizeLinear", "DequantizeLinear", "Add"}
#: The same of an ML Program.
_MIL_WEIGHTED = {"conv", "conv_transpose", "linear"}
_MIL_TAIL = {"batch_norm", "relu", "relu6", "clip", "quantize"}
_MIL_DEQUANTIZE = "dequantize"


@dataclass(frozen=True)
class LayerOutput:
    """One layer's output on some images, behind its BatchNorm, clamp and quantization.

    ``values`` is float32 (N, ...), in real units: a quantized activation is dequantized. ``operator`` is conv,
    depthwise, grouped or linear where the source tells, else empty.
    """

    name: str
    values: NDArray[np.float32]
    operator: str = ""


@dataclass(frozen=True)
class ArtifactLayers:
    """The outputs of an artifact's layers, and None or how they were emulated."""

    outputs: list[LayerOutput]
    emulation: str | None


def artifact_layers(artifact: Artifact, pixels: NDArray[np.uint8]) -> ArtifactLayers | Unknown:
    """Return the output of every weighted layer of an artifact on this machine, in order, or why there is none.

    Args:
        artifact: of any target.
        pixels: uint8 (N, C, H, W).

    Raises:
        ArtifactError, TargetError: the model file is damaged, or its emulation lacks an operation.
    """
    match artifact.info.target:
        case "onnx":
            return ArtifactLayers(onnx_layers(artifact.file, pixels), None)
        case "coreml":
            return ArtifactLayers(coreml_layers(artifact.file, pixels), "interpreter")
        case "executorch":
            reason = (
                "ExecuTorch runs the graph as one XNNPACK delegate, whose inner values it does not give out"
            )
            return Unknown(reason=reason)
        case other:
            return Unknown(reason=f"target {other} gives no inner values")


def torch_layers(module: torch.nn.Module, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of a float module or a converted graph, in order.

    Args:
        module: from float32 pixels to logits.
        pixels: uint8 (N, C, H, W); N is the module's fixed batch where it has one.
    """
    import torch

    batch = torch.from_numpy(pixels.astype(np.float32))
    graph = module
    if not isinstance(graph, torch.fx.GraphModule):
        graph = torch.export.export(module, (batch,)).module()
        name_layers(graph)
    ends = {
        _torch_end(node): (layer_name(node), _operator(graph, node))
        for node in graph.graph.nodes
        if _weighted(node)
    }
    found: dict[str, LayerOutput] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            if n in ends:
                name, operator = ends[n]
                found[name] = LayerOutput(name, value.detach().numpy().astype(np.float32), operator)
            return value

    with torch.no_grad():
        Recorder(graph).run(batch)
    return [found[name] for name, _ in ends.values()]


def _weighted(node: torch.fx.Node) -> bool:
    return node.target in weighted_operators()


def _operator(graph: torch.fx.GraphModule, node: torch.fx.Node) -> str:
    """Return what kind of layer a weighted node is; empty where its weight is not a plain attribute."""
    weight: Any = node.args[1]
    if "linear" in str(node.target):
        return "linear"
    if weight.op != "get_attr":
        return ""
    shape = attribute(graph, str(weight.target)).shape
    groups: Any = node.args[6] if len(node.args) > 6 else 1
    if groups == 1:
        return "conv"
    return "depthwise" if shape[1] == 1 else "grouped"


def _torch_end(node: torch.fx.Node) -> torch.fx.Node:
    """Return the node that gives a layer's final value: the last of BatchNorm, clamp, quantize, dequantize."""
    import torch

    tail = {str(operator) for operator in (*clamp_operators(), torch.ops.aten.batch_norm.default)}
    # By name: the quantized_decomposed operators exist only once torchao has been imported.
    tail.add("quantized_decomposed.quantize_per_tensor.default")
    while True:
        users = list(node.users)
        if len(users) == 1 and str(users[0].target) in tail:
            node = users[0]
        elif users and all(str(user.target).startswith(_DEQUANTIZE) for user in users):
            return users[0]
        else:
            return node


def onnx_layers(file: Path, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
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
    layers = list(_onnx_layers(model.graph))
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


def _onnx_layers(graph: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the final value of each layer that has a weight."""
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    constants = {item.name for item in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type not in _ONNX_WEIGHTED:
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
        yield _onnx_name(node, makers, constants), end


def _onnx_name(node: Any, makers: dict[str, Any], constants: set[str]) -> str:
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
    return node.op_type in _ONNX_TAIL - {"DequantizeLinear"}


def coreml_layers(file: Path, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of an ML Program, run by the interpreter, in order.

    Core ML itself gives no inner values, on no platform.

    Args:
        file: an artifact's model.mlpackage, batch 1.
        pixels: uint8 (N, C, H, W).

    Raises:
        ArtifactError: the package is damaged.
        TargetError: the interpreter lacks an operation.
    """
    from dataclasses import replace

    from fer_deploy.targets.coreml.interpreter.execute import Interpreter
    from fer_deploy.targets.coreml.interpreter.program import open_program

    program = open_program(file)
    users: dict[str, list[Any]] = {}
    for operation in program.operations:
        for name in operation.references():
            users.setdefault(name, []).append(operation)
    ends = {
        operation.name: _mil_end(operation.outputs[0][0], users)
        for operation in program.operations
        if operation.kind in _MIL_WEIGHTED
    }
    inner = Interpreter(replace(program, outputs=tuple(dict.fromkeys(ends.values()))))
    values = inner.run({next(iter(program.inputs)): pixels.astype(np.float32)})
    return [LayerOutput(name, values[end].astype(np.float32)) for name, end in ends.items()]


def _mil_end(value: str, users: dict[str, list[Any]]) -> str:
    """Return the name of a layer's final value: behind its clamp, its quantize and its dequantize."""
    while True:
        following = users.get(value, [])
        if len(following) == 1 and following[0].kind in _MIL_TAIL:
            value = following[0].outputs[0][0]
        elif following and all(one.kind == _MIL_DEQUANTIZE for one in following):
            return str(following[0].outputs[0][0])
        else:
            return value
