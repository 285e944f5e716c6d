"""Lowering to LiteRT, and running it with LiteRT's own interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError, root_cause
from fer_deploy.files import write_atomic
from fer_deploy.heap import set_aside
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import ArtifactLayers, Delegation, Lowered, Runner, Session, Target
from fer_deploy.targets.inspection import Inspection, Share
from fer_deploy.targets.litert.runtime import LiteRTSession, delegation, obstacle

FILE = "model.tflite"
#: What a file of a quantized graph holds; each is LiteRT's own int8 scheme
#: (https://ai.google.dev/edge/litert/models/quantization_spec).
_INTEGERS = {
    "activations": "int8, one scale for a tensor",
    "weights": "int8, one scale for an output channel",
    "biases": "int32, scale of input times scale of weight",
    "kernels": "XNNPACK's, which the interpreter applies by itself; its built-in kernels round otherwise",
}


class LiteRTTarget(Target):
    """``.tflite`` for LiteRT, TensorFlow Lite and Google Play services on Android, iOS and Linux."""

    name: ClassVar[str] = "litert"
    recipes: ClassVar[tuple[str, ...]] = ("float", "w8a8-ptq", "w8a8-qat")
    file: ClassVar[str] = FILE
    package: ClassVar[str] = "ai-edge-litert"
    tools: ClassVar[tuple[str, ...]] = ("flatbuffers",)
    runners: ClassVar[frozenset[Runner]] = frozenset({Runner.ANDROID_DEMO})
    kernel_family: ClassVar[str | None] = "TFLite"
    extra: ClassVar[str | None] = "litert"
    runtime: str = "LiteRT XNNPACK"

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write ``model.tflite``; batch 1, float32 ``pixels`` in torch's layout in, float32 ``logits`` out.

        Raises:
            TargetError: the extra is not installed, or an operator cannot be written.
        """
        self.require_recipe(graph.recipe.name)
        if (missing := obstacle()) is not None:
            raise TargetError(missing)
        with quiet(), set_aside():
            from fer_deploy.targets.litert.converter.convert import convert

            try:
                content = convert(graph)
            except TargetError as error:
                raise TargetError(f"LiteRT cannot hold the {graph.recipe.name} graph: {error}") from error
            except Exception as error:  # torch.export and its decompositions raise many kinds
                raise TargetError(
                    f"LiteRT cannot hold the {graph.recipe.name} graph: {root_cause(error)}"
                ) from error
        write_atomic(folder / FILE, content)
        choices = {"schema": "TFL3", **(_INTEGERS if graph.recipe.quantized else {})}
        return Lowered(FILE, delegation(folder / FILE), choices=choices)

    def host_obstacle(self) -> str | None:
        """Return which extra is missing, or None."""
        return obstacle()

    def open(self, file: Path, threads: int) -> Session:
        """Open the file with the interpreter, XNNPACK applied as it does by default."""
        return LiteRTSession(file, threads)

    def inspect(self, file: Path) -> Inspection:
        """Read the file's graph; what XNNPACK takes is counted in the interpreter."""
        from fer_deploy.targets.litert.inspect import inspect

        found: Delegation = delegation(file)
        assert found.delegated is not None
        return inspect(
            file,
            Share(backend=found.backend, delegated=found.delegated, total=found.total),
        )

    def preload(self) -> None:
        """Import the interpreter."""
        import ai_edge_litert.interpreter  # noqa: F401

    def layer_outputs(self, file: Path, pixels: NDArray[np.uint8]) -> ArtifactLayers:
        """Run the file with its layers' ends as further outputs."""
        from fer_deploy.targets.litert.layer_outputs import layer_outputs

        return ArtifactLayers(layer_outputs(file, pixels), None)
