"""Core ML as a target: lowering on any platform, sessions by Core ML on macOS and by the interpreter elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError, root_cause
from fer_deploy.heap import set_aside
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import ArtifactLayers, Delegation, Lowered, Runner, Session, Target
from fer_deploy.targets.coreml.options import CoreMLOptions
from fer_deploy.targets.coreml.package import FILE, convert, input_name, save
from fer_deploy.targets.coreml.session import CoreMLSession, InterpreterSession
from fer_deploy.targets.coreml.tools import coremltools
from fer_deploy.targets.inspection import Inspection
from fer_deploy.targets.options import TargetOptions

#: Core ML computes in fp16 between quantize operations: up to 0.7 logits, 10 steps, in our experiments.
INTEGER_STEPS = 16


class CoreMLTarget(Target):
    """``.mlpackage`` for iOS 15 to 18; what differs from the default is said by :class:`CoreMLOptions`."""

    name: ClassVar[str] = "coreml"
    recipes: ClassVar[tuple[str, ...]] = ("float", "fp16", "w8", "w8a8-ptq", "w8a8-qat")
    file: ClassVar[str] = FILE
    package: ClassVar[str] = "coremltools"
    options_type: ClassVar[type[TargetOptions]] = CoreMLOptions
    everywhere: ClassVar[bool] = False
    runners: ClassVar[frozenset[Runner]] = frozenset({Runner.IOS_DEMO})
    integer_steps: ClassVar[int] = INTEGER_STEPS
    runtime: str = "Core ML"

    def __init__(self, options: CoreMLOptions | None = None) -> None:
        """Lower with ``options``; the default is a float array in, logits out, iOS 17."""
        self._options = options or CoreMLOptions()

    def prepare(self) -> None:
        """Import the converter."""
        coremltools()

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write ``model.mlpackage``; batch 1, ``pixels`` or ``image`` in, float32 ``logits`` out.

        Raises:
            ConfigError: the deployment target is too old for the recipe.
            TargetError: coremltools refuses the graph.
        """
        self.require_recipe(graph.recipe.name)
        self._options.require_ios_for(graph.recipe.precision)
        with quiet(), set_aside():
            try:
                package = convert(graph, self._options)
            except Exception as error:  # coremltools raises many kinds
                raise TargetError(
                    f"Core ML cannot lower the {graph.recipe.name} graph: {root_cause(error)}"
                ) from error
            save(package, folder / FILE, graph.contract, self._options)
            kinds = _operations(package)
        return Lowered(
            FILE,
            Delegation(
                backend="Core ML",
                delegated=None,
                total=sum(kinds.values()),
                reason="Core ML decides per device at load time; the compute plan needs macOS",
            ),
            input_name(self._options),
        )

    def timing_obstacle(self) -> str | None:
        """Core ML predicts on macOS only (coremltools #2658); the interpreter's speed is not a device's."""
        return None if sys.platform == "darwin" else "needs macOS: Core ML runs on Apple systems only"

    def open(self, file: Path, threads: int) -> Session:
        """Open the package: with Core ML on macOS, which has no thread count, with the interpreter elsewhere."""
        return CoreMLSession(file) if sys.platform == "darwin" else InterpreterSession(file, threads)

    def inspect(self, file: Path) -> Inspection:
        """Read the package's program and weights."""
        from fer_deploy.targets.coreml.inspect import inspect

        return inspect(file)

    def preload(self) -> None:
        """Import coremltools."""
        coremltools()

    def layer_outputs(self, file: Path, pixels: NDArray[np.uint8]) -> ArtifactLayers:
        """Run the package by the interpreter, on macOS too: Core ML itself gives no inner values."""
        from fer_deploy.targets.coreml.session import layer_outputs

        return ArtifactLayers(layer_outputs(file, pixels), "interpreter")


def _operations(package: Any) -> Counter[str]:
    """Return the package's operations by name, constants left out."""
    program = package.get_spec().mlProgram
    kinds: Counter[str] = Counter()
    for function in program.functions.values():
        for block in function.block_specializations.values():
            kinds.update(op.type for op in block.operations if not op.type.startswith("const"))
    return kinds
