"""Lowering to an ExecuTorch program, and running it with the Python runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError, root_cause
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Unknown
from fer_deploy.heap import set_aside
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Delegation, Kernels, LayerTrace, Lowered, Runner, Session, Target
from fer_deploy.targets.executorch import ethos_u, ethos_u_vela
from fer_deploy.targets.executorch.delegates import BACKENDS, COREML_ID, ExecuTorchOptions, partitioner
from fer_deploy.targets.executorch.runtime import ExecuTorchSession, runtime
from fer_deploy.targets.executorch.trace import KERNELS
from fer_deploy.targets.inspection import CompilerEstimate, Inspection, RequiredKernels
from fer_deploy.targets.options import TargetOptions

FILE = "model.pte"


class ExecuTorchTarget(Target):
    """``.pte`` for Android and iOS: XNNPACK on CPU, Core ML on Apple systems, or an Ethos-U of a microcontroller."""

    name: ClassVar[str] = "executorch"
    recipes: ClassVar[tuple[str, ...]] = ("float", "w8a8-ptq", "w8a8-qat")
    file: ClassVar[str] = FILE
    package: ClassVar[str] = "executorch"
    options_type: ClassVar[type[TargetOptions]] = ExecuTorchOptions
    runners: ClassVar[frozenset[Runner]] = frozenset({Runner.CPP, Runner.ANDROID_DEMO})
    kernels: ClassVar[Kernels] = KERNELS
    #: It hands its graphs to XNNPACK.
    kernel_family: ClassVar[str | None] = "XNNPACK"
    runtime: str = "ExecuTorch XNNPACK"

    def __init__(self, options: ExecuTorchOptions | None = None) -> None:
        """Lower with ``options``; the default hands the graph to XNNPACK."""
        self.delegate = (options or ExecuTorchOptions()).delegate
        self.runtime = f"ExecuTorch {BACKENDS[self.delegate]}"

    @classmethod
    def npu_options(cls, delegate: str) -> ExecuTorchOptions | None:
        """An Ethos-U's, whose programs Vela compiles."""
        found = next((one for one in ethos_u.ACCELERATORS if one == delegate), None)
        return None if found is None else ExecuTorchOptions(found)

    def estimate(self, file: Path) -> CompilerEstimate | Unknown | None:
        """Vela's of a program for an Ethos-U."""
        return ethos_u_vela.estimate_of(file) if ethos_u.ETHOS_U_ID in file.read_bytes() else None

    def prepare(self) -> None:
        """Import the compiler and XNNPACK's partitioner."""
        with quiet():
            import executorch.exir  # noqa: F401
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # noqa: F401
                XnnpackPartitioner,
            )

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write ``model.pte``; batch 1, float32 pixels in, float32 logits out."""
        self.require_recipe(graph.recipe.name)
        if self.delegate in ethos_u.ACCELERATORS:
            return ethos_u.lower(graph, folder, FILE, self.delegate)
        with quiet(), set_aside():
            from executorch.exir import to_edge_transform_and_lower

            from fer_deploy.targets.executorch.delegates import partition_reasons
            from fer_deploy.targets.executorch.shortcuts import shortcuts

            reasons: dict[str, str] = {}
            try:
                with partition_reasons(reasons), shortcuts():
                    edge = to_edge_transform_and_lower(
                        graph.export(), partitioner=[partitioner(self.delegate, graph)]
                    )
                delegation = _delegation(
                    edge.exported_program().graph_module, BACKENDS[self.delegate], reasons
                )
                program = edge.to_executorch()
            except Exception as error:  # executorch raises many kinds; the first line says which pass
                raise TargetError(
                    f"ExecuTorch cannot lower the {graph.recipe.name} graph: {root_cause(error)}"
                ) from error
        write_atomic(folder / FILE, bytes(program.buffer))
        integers = {"activations": "int8", "weights": "int8", "biases": "int32"}
        stated = graph.recipe.quantized and self.delegate == "xnnpack"
        return Lowered(FILE, delegation, choices=integers if stated else {})

    def host_obstacle(self) -> str | None:
        """The wheel's runtime has no Core ML backend but on Apple's systems, and an Ethos-U's graph needs an extra."""
        if self.delegate in ethos_u.ACCELERATORS:
            return ethos_u.obstacle("tosa_reference_model")
        if self.delegate == "coreml" and sys.platform != "darwin":
            return "needs an Apple system: ExecuTorch's Core ML delegate runs on macOS and iOS only"
        return None

    def timing_obstacle(self) -> str | None:
        """An Ethos-U's graph is emulated, which takes what it takes."""
        if self.delegate in ethos_u.ACCELERATORS:
            return (
                f"needs an {BACKENDS[self.delegate]}: its TOSA graph is emulated here, "
                "and Vela's cycles are estimates"
            )
        return self.host_obstacle()

    def open(self, file: Path, threads: int) -> Session:
        """Load the program and its ``forward`` method; the thread pool is the whole process's.

        A program for an Ethos-U is opened as the TOSA graph beside it.
        """
        content = file.read_bytes() if file.is_file() else b""
        if ethos_u.ETHOS_U_ID in content:
            return ethos_u.EthosUSession(file)
        if sys.platform != "darwin" and COREML_ID in content:
            raise TargetError(
                f"{file} cannot be run here: ExecuTorch's Core ML delegate runs on macOS and iOS only"
            )
        return ExecuTorchSession(file, threads)

    def inspect(self, file: Path) -> Inspection:
        """Read the program's plan and its XNNPACK delegates."""
        from fer_deploy.targets.executorch.inspect import inspect

        found = inspect(file)
        if ethos_u.ETHOS_U_ID not in file.read_bytes():
            return found
        return found.model_copy(update={"advice": ethos_u_vela.advice(file)})

    def required_kernels(self, file: Path) -> RequiredKernels:
        """Return the operators as the runtime's reduced build reads them."""
        from fer_deploy.targets.executorch.selected_operators import required

        return required(file)

    def missing_kernels(self, file: Path, selection: Path) -> tuple[str, ...]:
        """Return what the model file needs and the selection leaves out."""
        from fer_deploy.targets.executorch.selected_operators import missing

        return missing(file, selection)

    def preload(self) -> None:
        """Import the runtime's native library."""
        runtime()

    def layer_outputs(self, file: Path, pixels: NDArray[np.uint8]) -> Unknown:  # noqa: ARG002
        """There are none."""
        return Unknown(
            reason="ExecuTorch runs the graph as one XNNPACK delegate, whose inner values it does not give out"
        )

    def read_trace(self, data: bytes) -> tuple[LayerTrace, ...]:
        """Read an ETDump."""
        from fer_deploy.targets.executorch.trace import read_trace

        return read_trace(data)


def _delegation(module: Any, backend: str, reasons: dict[str, str]) -> Delegation:
    """Count delegated operators; ``getitem`` only unpacks a delegate's results and is no operator."""
    from executorch.devtools.backend_debug import get_delegation_info

    info = get_delegation_info(module)
    outside = {
        name: breakdown.non_delegated
        for name, breakdown in info.delegation_by_operator.items()
        if breakdown.non_delegated and name != "getitem"
    }
    from fer_deploy.targets.executorch.delegates import NO_KERNEL, spelled

    return Delegation(
        backend=backend,
        delegated=info.num_delegated_nodes,
        total=info.num_delegated_nodes + sum(outside.values()),
        delegates=info.num_delegated_subgraphs,
        not_delegated=outside,
        why={name: reasons.get(spelled(name), NO_KERNEL) for name in outside},
    )
