"""Reading an ExecuTorch program: the plan, and what is inside an XNNPACK delegate.

The delegate's own format is read with the flatbuffer compiler and schema that the executorch wheel
brings; its header is ``backends/xnnpack/runtime/XNNHeader.h`` (executorch 1.5.1).
"""

from __future__ import annotations

import json
import math
import re
import struct
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArtifactError
from fer_deploy.files import size_of
from fer_deploy.frozen import Unknown
from fer_deploy.quiet import quiet
from fer_deploy.targets.inspection import Inspection, Port, Share, WeightCounter

_MAGIC = b"XH00"
#: Magic at 4, then uint16 header length, uint32 offset and size of the flatbuffer.
_HEADER = struct.Struct("<4x4sHII")
_BYTES = {"xnn_datatype_fp32": 4, "xnn_datatype_fp16": 2, "xnn_datatype_qcint32": 4, "xnn_datatype_qint32": 4}
_LAYERS = {"XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d", "XNNFullyConnected"}


def read_program(file: Path) -> Any:
    """Return the program in a ``.pte`` file, as the wheel's own schema has it.

    Raises:
        ArtifactError: the file is not an ExecuTorch program.
    """
    with quiet():
        from executorch.exir._serialize._program import deserialize_pte_binary

        try:
            return deserialize_pte_binary(file.read_bytes()).program
        except Exception as error:  # flatbuffers and struct raise many kinds
            raise ArtifactError(f"{file} is not an ExecuTorch program: {type(error).__name__}") from None


def inspect(file: Path) -> Inspection:
    """Return the contents of a ``.pte`` file.

    Raises:
        ArtifactError: the file is not an ExecuTorch program.
    """
    program = read_program(file)
    plan = program.execution_plan[0]
    graphs = [
        _xnnpack_graph(bytes(program.backend_delegate_data[delegate.processed.index].data))
        for delegate in plan.delegates
        if delegate.id == "XnnpackBackend"
    ]
    kernels = Counter(
        plan.operators[instruction.instr_args.op_index].name
        for chain in plan.chains
        for instruction in chain.instructions
        if type(instruction.instr_args).__name__ == "KernelCall"
    )
    inside = Counter(node["xnode_union_type"] for graph in graphs for node in graph["xnodes"])
    others = sorted({delegate.id for delegate in plan.delegates} - {"XnnpackBackend"})
    unknown = Unknown(reason=f"what is inside {', '.join(others)} cannot be read here") if others else None
    counter = WeightCounter()
    for graph in graphs:
        _count_weights(graph, counter)
    return Inspection(
        target="executorch",
        file=file.name,
        format=f"ExecuTorch program version {program.version}",
        size_bytes=size_of(file),
        operations=dict((inside + kernels).most_common()),
        parameters=sum(_parameters(graph) for graph in graphs),
        macs=unknown or sum(_macs(graph) for graph in graphs),
        weights=counter.table(),
        inputs=tuple(_port(f"input {i}", plan.values[index].val) for i, index in enumerate(plan.inputs)),
        outputs=tuple(_port(f"output {i}", plan.values[index].val) for i, index in enumerate(plan.outputs)),
        delegated=unknown
        or Share(backend="XNNPACK", delegated=sum(inside.values()), total=sum((inside + kernels).values())),
        activation_bytes=sum(plan.non_const_buffer_sizes),
        advice=(
            "planned activation memory is ExecuTorch's arena; XNNPACK allocates its workspace beside it at load",
        ),
    )


def _xnnpack_graph(blob: bytes) -> dict[str, Any]:
    """Return the delegate's flatbuffer as a dictionary (backends/xnnpack/serialization/runtime_schema.fbs)."""
    magic, _, offset, size = _HEADER.unpack_from(blob)
    if magic != _MAGIC:
        raise ArtifactError("the XNNPACK delegate has another header than executorch 1.5.1 writes")
    with quiet(), tempfile.TemporaryDirectory() as folder:
        import executorch.backends.xnnpack.serialization as serialization
        from executorch.exir._serialize._flatbuffer import _flatc_decompile

        schema = Path(next(iter(serialization.__path__))) / "runtime_schema.fbs"
        binary = Path(folder) / "graph.bin"
        binary.write_bytes(blob[offset : offset + size])
        _flatc_decompile(folder, str(schema), str(binary), ["--raw-binary"])
        graph: dict[str, Any] = json.loads(
            _python_numbers((Path(folder) / "graph.json").read_text(encoding="utf-8"))
        )
    return graph


def _python_numbers(text: str) -> str:
    """Return flatc's JSON with its infinities and NaN as Python spells them: a clamp without an upper end has one."""
    return re.sub(
        r"(?<=[\s:,\[])(-?)(inf(?:inity)?|nan)(?=\s*[,}\]])",
        lambda found: found[1] + ("NaN" if found[2].lower() == "nan" else "Infinity"),
        text,
        flags=re.IGNORECASE,
    )


def _tensors(graph: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return value id to tensor; a quantized value wraps its tensor."""
    found = {}
    for value in graph["xvalues"]:
        union = value["xvalue_union"]
        tensor = union.get("tensor_value", union)
        found[tensor.get("id_out", 0)] = tensor
    return found


def _size(tensor: dict[str, Any]) -> int:
    return math.prod(tensor.get("dims", []))


def _count_weights(graph: dict[str, Any], counter: WeightCounter) -> None:
    for tensor in _tensors(graph).values():
        if tensor.get("constant_buffer_idx", 0):
            dtype = tensor.get("datatype", "xnn_datatype_invalid")
            count = _size(tensor)
            counter.add(dtype.removeprefix("xnn_datatype_"), count, count * _BYTES.get(dtype, 1))


def _layers(graph: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (node["xnode_union_type"], node["xnode_union"])
        for node in graph["xnodes"]
        if node["xnode_union_type"] in _LAYERS
    ]


def _parameters(graph: dict[str, Any]) -> int:
    tensors = _tensors(graph)
    used = {
        layer[key]
        for _, layer in _layers(graph)
        for key in ("filter_id", "bias_id")
        if layer.get(key) in tensors
    }
    return sum(_size(tensors[key]) for key in used)


def _macs(graph: dict[str, Any]) -> int:
    """Count from filters: (O, H, W, I/groups), depthwise (1, H, W, O), linear (O, I)."""
    tensors = _tensors(graph)
    total = 0
    for kind, layer in _layers(graph):
        weight, result = tensors[layer["filter_id"]], tensors[layer["output_id"]]
        x = tensors[layer.get("input1_id", layer.get("input_id", 0))]
        dims = weight["dims"]
        if kind == "XNNDepthwiseConv2d":
            total += dims[1] * dims[2] * _size(result)
        elif kind == "XNNConvTranspose2d":
            total += _size(weight) // layer.get("groups", 1) * _size(x) // x["dims"][-1]
        else:
            total += math.prod(dims[1:]) * _size(result)
    return total


def _port(name: str, value: Any) -> Port:
    dtype = getattr(getattr(value, "scalar_type", None), "name", type(value).__name__).lower()
    dtype = {"float": "float32", "half": "float16", "char": "int8", "byte": "uint8"}.get(dtype, dtype)
    return Port(name=name, dtype=dtype, shape=tuple(getattr(value, "sizes", ())))
