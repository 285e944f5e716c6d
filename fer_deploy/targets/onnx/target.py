"""Lowering to ONNX, and running it with ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from fer_deploy.errors import ArtifactError, ProofError, TargetError, first_line, root_cause
from fer_deploy.files import write_atomic
from fer_deploy.heap import set_aside
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import (
    ArtifactLayers,
    Delegation,
    Kernels,
    LayerTrace,
    Lowered,
    Runner,
    Session,
    Target,
)
from fer_deploy.targets.inspection import Inspection, RequiredKernels, Share
from fer_deploy.targets.onnx.runtime import KERNELS, lacks_vnni, session_options
from fer_deploy.targets.options import TargetOptions

FILE = "model.onnx"
#: The newest opset that onnxruntime-android 1.20 (2024) and later read; 13 is the first with per-channel QDQ.
OPSET = 20
#: Why uint8: :func:`fer_deploy.targets.onnx.passes.integers_to_uint8`.
_EXACT_ON = {
    "uint8": "ARM, and x86 with and without VNNI, without any session option",
    "int8": "ARM and x86 with VNNI; x86 without VNNI only with session.x64quantprecision = 1",
}
#: Why an operation is left in float, as far as the optimised graph shows.
_NO_KERNEL = "an input or its output is not quantized, or ONNX Runtime has no integer kernel for it"
#: Compute operations of which a quantized graph should leave none in float.
_COMPUTE = {
    "Add", "AveragePool", "Conv", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "GlobalAveragePool",
    "MatMul", "Mul", "ReduceMean", "Sub",
}  # fmt: skip
_MOVES = {"QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape", "ReorderOutput", "ReorderInput"}


@dataclass(frozen=True)
class OnnxOptions(TargetOptions):
    """How graphs become ONNX files.

    Attributes:
        weights: of int8 recipes. ``uint8`` is right on every processor, for an app that knows of no option; ``int8`` is
            faster on x86 with VNNI, and saturates on x86 without it unless the app sets a session option.
    """

    #: So that a misspelt key of a configuration file is refused.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    weights: Literal["uint8", "int8"] = "uint8"


class OnnxTarget(Target):
    """``.onnx`` for ONNX Runtime on Android, iOS, browsers and servers."""

    name: ClassVar[str] = "onnx"
    recipes: ClassVar[tuple[str, ...]] = ("float", "w8a8-ptq", "w8a8-qat")
    file: ClassVar[str] = FILE
    package: ClassVar[str] = "onnxruntime"
    tools: ClassVar[tuple[str, ...]] = ("onnx",)
    runners: ClassVar[frozenset[Runner]] = frozenset(
        {Runner.PYTHON, Runner.BROWSER, Runner.ANDROID_DEMO, Runner.HTP}
    )
    kernels: ClassVar[Kernels] = KERNELS
    options_type: ClassVar[type[TargetOptions]] = OnnxOptions
    runtime: str = "ONNX Runtime CPU"

    def __init__(self, options: OnnxOptions | None = None) -> None:
        """Lower with ``options``."""
        self.options = options or OnnxOptions()

    def prepare(self) -> None:
        """Import the exporter."""
        with quiet():
            import onnxscript  # noqa: F401
            import torch.onnx  # noqa: F401

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write ``model.onnx``; batch 1, float32 ``pixels`` in, float32 ``logits`` out."""
        self.require_recipe(graph.recipe.name)
        with quiet(), set_aside():
            import onnx
            import torch

            from fer_deploy.targets.onnx import passes
            from fer_deploy.targets.onnx.proof import run_passes

            try:
                program = torch.onnx.export(
                    graph.export(),
                    (),
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=["pixels"],
                    output_names=["logits"],
                    verbose=False,
                )
                assert program is not None
                model = program.model_proto
                proofs = run_passes(model, graph, self.options.weights == "int8")
                passes.strip_metadata(model)
                onnx.checker.check_model(model)
            except ProofError:
                raise
            except Exception as error:  # the exporter raises many kinds
                raise TargetError(
                    f"the ONNX exporter cannot lower the {graph.recipe.name} graph: {root_cause(error)}"
                ) from error
        write_atomic(folder / FILE, model.SerializeToString(deterministic=True))
        choices = {"opset": str(OPSET)}
        if graph.recipe.quantized:
            choices |= {
                "activations": "uint8",
                "weights": self.options.weights,
                "biases": "float32 on the int32 grid",
                "exact on": _EXACT_ON[self.options.weights],
            }
        return Lowered(
            FILE, _delegation(folder / FILE, graph.recipe.quantized), choices=choices, proofs=proofs
        )

    def open(self, file: Path, threads: int) -> Session:
        """Create an inference session on the CPU provider."""
        return _OnnxSession(file, threads)

    def open_plainly(self, file: Path) -> tuple[Session, str] | None:
        """Return a session without the option that keeps int8 weights exact, where this processor needs it.

        Where the weights are uint8 it should not matter; whether it does is seen on each artifact.
        """
        if not lacks_vnni():
            return None
        when = (
            "opened without session.x64quantprecision = 1 on x86 without VNNI (a PC or an emulator; ARM is exact "
            "without it)"
        )
        return _OnnxSession(file, 1, exact=False), when

    def inspect(self, file: Path) -> Inspection:
        """Read the model's graph; integer kernels are counted in the graph that ONNX Runtime makes of it."""
        from fer_deploy.targets.onnx.inspect import inspect, is_quantized

        quantized = is_quantized(file)
        delegation = _delegation(file, quantized)
        assert delegation.delegated is not None
        share = Share(backend=delegation.backend, delegated=delegation.delegated, total=delegation.total)
        return inspect(file, share)

    def required_kernels(self, file: Path) -> RequiredKernels:
        """Return the operators as the runtime's reduced build reads them."""
        from fer_deploy.targets.onnx.required_operators import required

        return required(file)

    def missing_kernels(self, file: Path, selection: Path) -> tuple[str, ...]:
        """Return what the model file needs and the selection leaves out."""
        from fer_deploy.targets.onnx.required_operators import missing

        return missing(file, selection)

    def preload(self) -> None:
        """Import the runtime's native library."""
        import onnxruntime  # noqa: F401

    def layer_outputs(self, file: Path, pixels: NDArray[np.uint8]) -> ArtifactLayers:
        """Run the file with its layers' ends as further outputs."""
        from fer_deploy.targets.onnx.layer_outputs import layer_outputs

        return ArtifactLayers(layer_outputs(file, pixels), None)

    def read_trace(self, data: bytes) -> tuple[LayerTrace, ...]:
        """Read ONNX Runtime's JSON."""
        from fer_deploy.targets.onnx.runtime import read_trace

        return read_trace(data)


def _delegation(file: Path, quantized: bool) -> Delegation:
    """Count integer kernels in the graph that ONNX Runtime makes of a quantized file on this machine.

    For a float file every operation is a float kernel of the CPU provider, which is what was asked.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = session_options(1)
        options.optimized_model_filepath = str(Path(folder) / FILE)
        try:
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exception classes have no common public base
            raise TargetError(
                f"ONNX Runtime does not load what was lowered for it: {first_line(error)}"
            ) from error
        optimised = onnx.load(options.optimized_model_filepath)
    kinds = Counter(node.op_type for node in optimised.graph.node)
    total = sum(count for kind, count in kinds.items() if kind not in _MOVES)
    outside = {kind: count for kind, count in kinds.items() if quantized and kind in _COMPUTE}
    return Delegation(
        backend="ONNX Runtime integer kernels" if quantized else "ONNX Runtime CPU",
        delegated=total - sum(outside.values()),
        total=total,
        not_delegated=outside,
        why=dict.fromkeys(outside, _NO_KERNEL),
    )


class _OnnxSession(Session):
    def __init__(self, file: Path, threads: int, exact: bool = True) -> None:
        import onnxruntime

        options = session_options(threads, exact)
        try:
            self._session = onnxruntime.InferenceSession(
                file.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exception classes have no common public base
            raise ArtifactError(
                f"{file} is not a model that ONNX Runtime can load: {first_line(error)}"
            ) from None
        self._input = self._session.get_inputs()[0].name

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0]
        return logits
