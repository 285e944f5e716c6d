"""ONNX Runtime's reduced builds: a model's operators as ``build.sh --include_ops_by_config`` reads them.

A build that loads ``.onnx`` files fuses while it loads, so that both the file's own operators and those that ONNX
Runtime's hardware-independent optimizations make of them have to be in it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from fer_deploy.errors import ArtifactError, first_line
from fer_deploy.quiet import quiet
from fer_deploy.targets.inspection import RequiredKernels

#: Operators of a model: their domain, the opset that their form is of, and name.
_Operator = tuple[str, int, str]
_ONNX = "ai.onnx"


def required(file: Path) -> RequiredKernels:
    """Return the operators of an ``.onnx`` file, as it is and after fusing.

    Raises:
        ArtifactError: the file is no ONNX model, or ONNX Runtime refuses it.
    """
    operators = _needs(file)
    lines = [f"# What {file.name} needs of ONNX Runtime, fused or not"]
    for domain, opset in sorted({(domain, opset) for domain, opset, _ in operators}):
        names = sorted(name for where, since, name in operators if (where, since) == (domain, opset))
        lines.append(f"{domain};{opset};{','.join(names)}")
    named = tuple(f"{domain} {name} (opset {opset})" for domain, opset, name in sorted(operators))
    return RequiredKernels(target="onnx", text="\n".join(lines) + "\n", kernels=named)


def missing(file: Path, selection: Path) -> tuple[str, ...]:
    """Return the operators of an ``.onnx`` file that a required_operators.config leaves out.

    Raises:
        ArtifactError: the file is no ONNX model, or the configuration none that ONNX Runtime's build reads.
    """
    chosen = _selection(selection)
    if chosen is None:
        return ()
    return tuple(
        f"{domain} {name} (opset {opset})"
        for domain, opset, name in sorted(_needs(file))
        if not any(_same_form(domain, name, opset, other) for other in chosen.get((domain, name), ()))
    )


def _needs(file: Path) -> set[_Operator]:
    import onnx
    import onnxruntime

    try:
        model = onnx.load(file)
        with tempfile.TemporaryDirectory() as scratch, quiet():
            fused = Path(scratch) / "fused.onnx"
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            options.optimized_model_filepath = str(fused)
            options.log_severity_level = 3
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            return _operators(model) | _operators(onnx.load(fused))
    except Exception as error:  # protobuf and ONNX Runtime raise many kinds
        raise ArtifactError(f"{file} is no model that ONNX Runtime can load: {first_line(error)}") from None


def _operators(model: object) -> set[_Operator]:
    """Return the operators of a model and of the graphs within its nodes."""
    opsets = {one.domain or _ONNX: one.version for one in model.opset_import}  # type: ignore[attr-defined]
    found: set[_Operator] = set()
    graphs = [model.graph]  # type: ignore[attr-defined]
    while graphs:
        for node in graphs.pop().node:
            domain = node.domain or _ONNX
            found.add((domain, _since(domain, node.op_type, opsets.get(domain, 1)), node.op_type))
            graphs += [one.g for one in node.attribute if one.HasField("g")]
            graphs += [graph for one in node.attribute for graph in one.graphs]
    return found


def _since(domain: str, name: str, opset: int) -> int:
    """Return the opset from which on an operator has the form that it has in ``opset``; ONNX Runtime's own have one."""
    import onnx

    try:
        return int(onnx.defs.get_schema(name, opset, "" if domain == _ONNX else domain).since_version)
    except onnx.defs.SchemaError:
        return 1


def _same_form(domain: str, name: str, opset: int, other: int) -> bool:
    return opset == other or _since(domain, name, opset) == _since(domain, name, other)


def _selection(file: Path) -> Mapping[tuple[str, str], tuple[int, ...]] | None:
    """Return the opsets of each operator in a configuration; None where it leaves none out."""
    from onnxruntime.tools.reduced_build_config_parser import parse_config

    try:
        parsed, _ = parse_config(str(file), False)
    except Exception as error:  # it raises what splitting lines raises
        raise ArtifactError(
            f"{file} is no required_operators.config that ONNX Runtime's build reads: {first_line(error)}"
        ) from None
    if parsed is None:
        return None
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for domain, by_opset in parsed.items():
        for opset, names in by_opset.items():
            for name in names:
                found[domain, name] = (*found.get((domain, name), ()), int(opset))
    return found
