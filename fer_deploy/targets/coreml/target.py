"""Lowering to an ML Program on any platform, and running it on macOS only."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.quantize.graph import Graph
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Delegation, Lowered, Session, Target

FILE = "model.mlpackage"
#: coremltools leaves ExecuTorch's debug map in the package, outside the manifest (coremltools 9.0).
_STRAY = "executorch_debug_handle_mapping.json"


class CoreMLTarget(Target):
    """``.mlpackage`` for iOS 17 and later: the first that has activation quantize/dequantize operations."""

    name: ClassVar[str] = "coreml"
    recipes: ClassVar[tuple[str, ...]] = ("float", "fp16", "w8a8-ptq")
    runtime: ClassVar[str] = "Core ML"

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write ``model.mlpackage``; batch 1, float32 ``pixels`` in, float32 ``logits`` out.

        ``float`` computes in fp32, ``fp16`` and ``w8a8-ptq`` in fp16 between the quantize operations.
        """
        self.require_recipe(graph.recipe.name)
        with quiet():
            import coremltools as ct

            try:
                package = ct.convert(
                    # without decompositions coremltools refuses the program's dialect (TRAINING)
                    graph.export().run_decompositions({}),
                    minimum_deployment_target=ct.target.iOS17,
                    compute_precision=(
                        ct.precision.FLOAT32 if graph.recipe.precision == "float" else ct.precision.FLOAT16
                    ),
                    inputs=[ct.TensorType(name="pixels", shape=graph.contract.input.shape, dtype=np.float32)],
                    # from iOS 16 on, outputs of an fp16 program are fp16 unless told otherwise
                    outputs=[ct.TensorType(name="logits", dtype=np.float32)],
                )
            except Exception as error:  # coremltools raises many kinds
                message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise TargetError(f"Core ML cannot lower the {graph.recipe.name} graph: {message}") from error
            _save(package, folder / FILE)
            kinds = _operations(package)
        return Lowered(
            FILE,
            Delegation(
                backend="Core ML",
                delegated=None,
                total=sum(kinds.values()),
                reason="Core ML decides per device at load time; the compute plan needs macOS",
            ),
        )

    def host_obstacle(self) -> str | None:
        """Core ML predicts on macOS only (coremltools #2658)."""
        return None if sys.platform == "darwin" else "needs macOS: Core ML runs on Apple systems only"

    def open(self, file: Path, threads: int) -> Session:  # noqa: ARG002 - Core ML has no thread count
        """Load the package for prediction on this Mac."""
        obstacle = self.host_obstacle()
        if obstacle:
            raise TargetError(f"{file} cannot be run here: {obstacle}")
        return _CoreMLSession(file)

    def preload(self) -> None:
        """Import coremltools."""
        with quiet():
            import coremltools  # noqa: F401


def _save(package: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / FILE
        package.save(str(temporary))
        stray = temporary / _STRAY
        if stray.exists():
            stray.unlink()
        for file in temporary.rglob("*"):
            if file.is_file():
                file.chmod(0o644)  # coremltools writes model.mlmodel as 0600
        shutil.copytree(temporary, path)


def _operations(package: Any) -> Counter[str]:
    """Return the package's operations by name, constants left out."""
    program = package.get_spec().mlProgram
    kinds: Counter[str] = Counter()
    for function in program.functions.values():
        for block in function.block_specializations.values():
            kinds.update(op.type for op in block.operations if not op.type.startswith("const"))
    return kinds


class _CoreMLSession(Session):
    def __init__(self, file: Path) -> None:
        with quiet():
            import coremltools as ct

            try:
                self._model = ct.models.MLModel(str(file))
            except Exception as error:  # coremltools and the Core ML framework raise many kinds
                raise ArtifactError(f"{file} is not a package that Core ML can load: {error}") from None

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: Any = self._model.predict({"pixels": pixels})["logits"]
        return np.asarray(answer, dtype=np.float32).reshape(1, -1)
