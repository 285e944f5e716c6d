"""What a target is. Adding one means a folder beside this file and a line in the registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.proof import Proof
from fer_deploy.targets.inspection import Inspection


@dataclass(frozen=True)
class Delegation:
    """How much of a lowered graph its accelerated backend takes.

    Attributes:
        backend: XNNPACK, ONNX Runtime CPU, ...
        delegated: number of operators inside the backend, or None when it cannot be known here.
        total: number of operators in the graph.
        delegates: number of delegated subgraphs, or None.
        not_delegated: operator name to count.
        reason: why ``delegated`` is None.
        why: operator name to why it stayed outside, in the words of the target's tools where they say.
    """

    backend: str
    delegated: int | None
    total: int
    delegates: int | None = None
    not_delegated: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    why: dict[str, str] = field(default_factory=dict)

    def warning(self) -> str | None:
        """Return a sentence on the operators outside the backend and why they are, or None when there are none."""
        if not self.not_delegated:
            return None
        listed = "; ".join(
            f"{count} x {name}" + (f" ({self.why[name]})" if name in self.why else "")
            for name, count in self.not_delegated.items()
        )
        return f"{self.backend} does not take {listed}: these run outside it, in slower kernels"


@dataclass(frozen=True)
class Lowered:
    """What :meth:`Target.lower` wrote.

    Attributes:
        file: name of the model file in the artifact folder.
        delegation: how much of the graph the backend takes.
        input_name: of the model file's only input.
        choices: what was decided on the way and matters to whoever runs the file; goes into artifact.json.
        proofs: of the steps between the graph and the file.
    """

    file: str
    delegation: Delegation
    input_name: str = "pixels"
    choices: dict[str, str] = field(default_factory=dict)
    proofs: tuple[Proof, ...] = ()


class Session(ABC):
    """One opened artifact on this machine.

    Attributes:
        emulation: None when the target's own runtime gives the logits; otherwise how they are emulated.
            What an emulation takes in time says nothing of the target.
    """

    emulation: str | None = None

    @abstractmethod
    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (1, K) of one image: float32 (1, C, H, W), pixels 0..255, C-contiguous."""

    def run_batch(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of float32 (N, C, H, W), one image at a time unless overridden."""
        return np.concatenate([self.run(pixels[i : i + 1]) for i in range(len(pixels))])


class Target(ABC):
    """Lowers graphs to artifacts of one kind and opens host sessions on them."""

    name: ClassVar[str]
    recipes: ClassVar[tuple[str, ...]]
    runtime: str
    input_dtype: ClassVar[Literal["float32"]] = "float32"

    @abstractmethod
    def lower(self, graph: Graph, folder: Path) -> Lowered:
        """Write the model file of ``graph`` into ``folder``.

        Raises:
            TargetError: the target's tools refuse the graph.
        """

    @abstractmethod
    def open(self, file: Path, threads: int) -> Session:
        """Open a model file on this machine with ``threads`` CPU threads.

        Raises:
            ArtifactError: the file is damaged.
            TargetError: this machine cannot run the target; see :meth:`host_obstacle`.
        """

    def open_plainly(self, file: Path) -> tuple[Session, str] | None:  # noqa: ARG002
        """Return a session as an app opens it that was told nothing, and when it may go wrong.

        None where no such session can differ from :meth:`open`'s on this machine.
        """
        return None

    def host_obstacle(self) -> str | None:
        """Return why this machine cannot give the logits of the target's artifacts, or None when it can."""
        return None

    def timing_obstacle(self) -> str | None:
        """Return why this machine cannot time the target's artifacts, or None when it can."""
        return self.host_obstacle()

    @abstractmethod
    def inspect(self, file: Path) -> Inspection:
        """Return what a model file of this target holds, read from the file.

        Raises:
            ArtifactError: the file is damaged or of another kind.
        """

    @abstractmethod
    def preload(self) -> None:
        """Import the target's runtime, so that timing a load does not time Python imports."""

    def require_recipe(self, recipe: str) -> None:
        """Raise TargetError when the target has no such recipe."""
        if recipe not in self.recipes:
            raise TargetError(
                f"target '{self.name}' has no recipe '{recipe}'; it has: {', '.join(self.recipes)}"
            )
