"""Arm's Ethos-U NPUs for microcontrollers: the shared graph through TOSA to a program that Vela compiled.

ExecuTorch's Arm backend (executorch 1.5.1, ``backends/arm``) writes the quantized graph as TOSA and has Vela compile
that to the NPU's commands. Nothing here runs those commands. What can be run is the TOSA graph that Vela was given, by
Arm's reference model of it (``tosa-tools``); it is kept beside the program. Vela's SRAM, flash and cycles are estimates
and recorded as such.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import QuantizationError, TargetError, first_line
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Unknown
from fer_deploy.progress import say
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Delegation, Lowered, Session
from fer_deploy.targets.executorch.delegates import BACKENDS, EthosU
from fer_deploy.targets.executorch.ethos_u_exact import exact_logits, in_words, steps_apart
from fer_deploy.targets.executorch.ethos_u_vela import estimated, is_there, keep, kept, recorded
from fer_deploy.targets.executorch.shortcuts import in_place_of

ACCELERATORS: tuple[EthosU, ...] = get_args(EthosU)
#: What a program that was compiled for an Ethos-U says in its bytes.
ETHOS_U_ID = b"EthosUBackend"
#: tosa-tools pins ml-dtypes 0.5.3, which onnx 1.23.2 refuses, so that no resolver installs both; it runs with ours.
_ADD = "pip install 'fer-deploy[ethos-u]' && pip install --no-deps tosa-tools==2026.8.0"
_PACKAGES: Mapping[str, str] = MappingProxyType(
    {"ethosu.vela": "ethos-u-vela", "tosa_serializer": "tosa-tools", "tosa_reference_model": "tosa-tools"}
)
#: On which the graphs are compared when a program is made; the proof takes as many.
_PARITY_IMAGES = 32
#: Scale, zero point, least and greatest integer of the pixels, and of the logits.
_Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


def obstacle(*modules: str) -> str | None:
    """Return what adds the packages where one of ``modules``, all by default, is not installed, or None."""
    missing = {_PACKAGES[name] for name in modules or _PACKAGES if not is_there(name)}
    if not missing:
        return None
    return f"an Ethos-U needs {' and '.join(sorted(missing))}, not installed here; add it: {_ADD}"


def lower(graph: Graph, folder: Path, file: str, accelerator: EthosU) -> Lowered:
    """Write the program of a quantized graph for one accelerator configuration, and the TOSA graph that Vela was given.

    Raises:
        QuantizationError: the graph is a float one, or the packages are missing: no layer of it is at fault.
        TargetError: the Arm backend or Vela refuses the graph.
    """
    if not graph.recipe.quantized:
        raise QuantizationError(
            f"an Ethos-U computes in integers, so there is no {graph.recipe.name} program for {accelerator}; "
            "use w8a8-ptq or w8a8-qat"
        )
    if (missing := obstacle("ethosu.vela", "tosa_serializer")) is not None:
        raise QuantizationError(missing)
    with quiet(), _stdout_closed():
        try:
            program, delegation, border, compiled = _compile(graph, accelerator)
        except Exception as error:  # executorch and Vela raise many kinds
            raise TargetError(
                f"ExecuTorch cannot lower the {graph.recipe.name} graph for {accelerator}: {_innermost(error)}"
            ) from error
    choices = {
        "activations": "int8",
        "weights": "int8",
        "biases": "int32",
        "accelerator": accelerator,
    }
    write_atomic(folder / file, program)
    if border is None or len(compiled) != 1:
        why = (
            f"the network is in {len(compiled)} pieces on the NPU, and operators of it stay on the Cortex-M between: "
            "Vela estimates and the reference model runs one piece alone"
        )
        keep(folder / file, program, {"why": np.array(why)})
        return Lowered(file, delegation, choices={**choices, "parity": f"not measured: {why}"})
    ((tosa, summary),) = compiled
    estimate = estimated(summary, accelerator)
    beside: dict[str, NDArray[Any]] = {
        "tosa": np.frombuffer(tosa, np.uint8),
        "first": border[0],
        "last": border[1],
        "estimate": np.array(estimate.model_dump_json()),
    }
    keep(folder / file, program, beside)
    choices |= recorded(estimate) | {
        "cpu_operators": "none of the network; pixels to int8 and logits to float at its ends",
        "tosa_sha256": hashlib.sha256(tosa).hexdigest(),
        "parity": "of the TOSA graph that Vela was given; the NPU's commands were not run",
    }
    choices |= _parity(graph, folder / file)
    return Lowered(file, delegation, choices=choices)


def _innermost(error: BaseException) -> str:
    """Return what went wrong in the end: what is raised around it lists every pass that ran before."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _parity(graph: Graph, file: Path) -> dict[str, str]:
    """Return, for artifact.json, by how many output steps the TOSA graph is off the shared graph in exact arithmetic.

    Nothing of a part of a network, which is lowered to find a layer at fault, nor where the reference model is missing.
    """
    if graph.evidence is None or obstacle("tosa_reference_model") is not None or graph.scales is None:
        return {}
    pixels = graph.evidence.pixels[:_PARITY_IMAGES]
    wanted = exact_logits(graph, pixels)
    if wanted.shape != (len(pixels), len(graph.contract.labels)):
        return {}
    session = EthosUSession(file)
    apart = steps_apart(session.run_batch(pixels.astype(np.float32)), wanted, session.step)
    said = in_words(apart, len(pixels))
    if max(apart) > 1:
        say(f"warning: the graph that Vela is given rounds otherwise than the shared graph: {said}")
    return {"parity_steps": said}


def _compile(
    graph: Graph, accelerator: EthosU
) -> tuple[bytes, Delegation, _Ends | None, list[tuple[bytes, str]]]:
    """Return the program, what is outside its delegates, its ends, and each delegate's TOSA graph and summary."""
    import executorch.kernels.quantized  # noqa: F401  registers what converts at the ends
    from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from fer_deploy.targets.executorch.ethos_u_graph import for_arm

    compiled: list[tuple[bytes, str]] = []
    with _vela_watched(compiled):
        edge = to_edge_transform_and_lower(
            for_arm(graph),
            partitioner=[EthosUPartitioner(EthosUCompileSpec(accelerator))],
        )
    module = edge.exported_program().graph_module  # to_executorch writes allocations into it
    border = _border(module)
    delegation = _delegation(module, accelerator, whole=border is not None)
    return bytes(edge.to_executorch().buffer), delegation, border, compiled


@contextmanager
def _vela_watched(compiled: list[tuple[bytes, str]]) -> Iterator[None]:
    """Keep, while the block runs, what Vela is given and its summary.

    The backend's own way to keep them (``dump_intermediate_artifacts_to``) writes the folder's name into the program.
    """
    from ethosu.vela import vela
    from executorch.backends.arm import arm_vela
    from executorch.backends.arm.ethosu import backend

    plain = backend.vela_compile
    arm_vela.vela, arm_vela.has_vela = vela, True  # else a Vela put on the path later is not seen

    def watched(tosa_flatbuffer: bytes, args: list[str], **options: Any) -> Any:
        with tempfile.TemporaryDirectory() as work:
            result = plain(tosa_flatbuffer, args, **{**options, "intermediate_path": work})
            (summary,) = Path(work).glob("output/*_summary_*.csv")
            compiled.append((bytes(tosa_flatbuffer), summary.read_text(encoding="utf-8")))
        return result

    with in_place_of(backend, "vela_compile", watched):
        yield


def _delegation(module: Any, accelerator: EthosU, whole: bool) -> Delegation:
    from executorch.devtools.backend_debug import get_delegation_info

    info = get_delegation_info(module)
    outside = {
        name: breakdown.non_delegated
        for name, breakdown in info.delegation_by_operator.items()
        if breakdown.non_delegated and name != "getitem" and not (whole and _converts(name))
    }
    return Delegation(
        backend=BACKENDS[accelerator],
        delegated=info.num_delegated_nodes,
        total=info.num_delegated_nodes + sum(outside.values()),
        delegates=info.num_delegated_subgraphs,
        not_delegated=outside,
        why=dict.fromkeys(outside, "the Arm backend does not take it: it runs on the Cortex-M"),
    )


def _converts(name: str) -> bool:
    """Return whether an operator is one of those at the ends of a whole graph, which are no part of the network."""
    return "quantize_per_tensor" in name


def _border(module: Any) -> _Ends | None:
    """Return how pixels become the delegate's int8 and its int8 logits; None where more stands outside."""
    calls = [node for node in module.graph.nodes if node.op == "call_function"]
    names = [str(getattr(node.target, "__name__", node.target)) for node in calls]
    wanted = ("quantize_per_tensor", "executorch_call_delegate", "getitem", "dequantize_per_tensor")
    if len(names) != len(wanted) or not all(part in name for part, name in zip(wanted, names, strict=True)):
        return None
    first, last = (np.array(calls[index].args[1:5], np.float64) for index in (0, 3))
    return first, last


@contextmanager
def _stdout_closed() -> Iterator[None]:
    """Keep off stdout, which may be JSON, what Vela and the reference model print there on every call."""
    sys.stdout.flush()
    saved, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C++ has printed and not written yet
        os.dup2(saved, 1)
        os.close(saved)
        os.close(sink)


class EthosUSession(Session):
    """The TOSA graph that Vela was given, run by Arm's reference model.

    Attributes:
        step: the scale of the quantized logits.
    """

    def __init__(self, file: Path) -> None:
        """Open what lies beside a program.

        Raises:
            TargetError: the reference model or the TOSA graph is missing.
        """
        if (missing := obstacle("tosa_reference_model")) is not None:
            raise TargetError(missing)
        held = kept(file)
        if isinstance(held, Unknown):
            raise TargetError(f"{file} runs on an Ethos-U only: {held.reason}")
        self._graph = held["tosa"].tobytes()
        self._first, self._last = held["first"], held["last"]
        self.step = float(self._last[0])
        version = importlib.metadata.version("tosa-tools")
        self.emulation = f"emulated by the TOSA reference model of tosa-tools {version}, before Vela"

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (1, K)."""
        with quiet(), _stdout_closed():
            import tosa_reference_model

            scale, zero, low, high = self._first
            integers = np.clip(np.rint(pixels / np.float32(scale)) + zero, low, high).astype(np.int8)
            outputs, status = tosa_reference_model.run(
                self._graph,
                [integers],
                verbosity="LOW",
                initialize_variable_tensor_from_numpy=True,
            )
        if status != tosa_reference_model.GraphStatus.TOSA_VALID:
            raise TargetError(f"the TOSA reference model does not run the graph: {status}")
        scale, zero = self._last[:2]
        logits: NDArray[np.float32] = (outputs[0].astype(np.float32) - np.float32(zero)) * np.float32(scale)
        return logits
