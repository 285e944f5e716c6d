"""What a target is, and how its runtime names kernels and layers. Adding one: a folder here, a line in the registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import LayerOutput
from fer_deploy.quantize.proof import Proof
from fer_deploy.targets.inspection import CompilerEstimate, Inspection, RequiredKernels
from fer_deploy.targets.options import TargetOptions

#: Where an operator ran that no delegate took.
NOT_DELEGATED = "not delegated"


@dataclass(frozen=True)
class LayerTrace:
    """One operator as the runtime ran it.

    Attributes:
        name: the runtime's name for it.
        kind: the runtime's name for its kind of kernel.
        place: the delegate or provider that ran it, or :data:`NOT_DELEGATED`.
        milliseconds: one duration per inference, in order.
        outputs: elements written, or None where the profile does not say.
        weights: parameters in bytes, or None where the profile does not say.
    """

    name: str
    kind: str
    place: str
    milliseconds: tuple[float, ...]
    outputs: int | None = None
    weights: int | None = None


@dataclass(frozen=True)
class Kernels:
    """How a runtime calls its kernels; of a runtime of which nothing is said, none is known to multiply.

    Attributes:
        multiplying: kinds of kernel that multiply.
        beginnings: how the names of further kinds that multiply begin.
        floating: kinds whose float form in an int8 network means that something was not fused.
        depthwise: what the kinds of depthwise convolutions have in their name; None: they cannot be told.
        blocked: ending of the names of operators that fill their last block of channels up, or None.
    """

    multiplying: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    floating: frozenset[str] = frozenset()
    depthwise: str | None = None
    blocked: str | None = None

    def multiplies(self, kind: str) -> bool:
        """Return whether a kind of kernel multiplies."""
        return kind in self.multiplying or kind.startswith(self.beginnings)

    def is_depthwise(self, kind: str) -> bool:
        """Return whether a kind is known to be a depthwise convolution."""
        return self.depthwise is not None and self.depthwise in kind

    def is_blocked(self, name: str) -> bool:
        """Return whether an operator may write more channels than its layer has."""
        return self.blocked is not None and name.endswith(self.blocked)


#: Integer engines round half-way cases differently; that is worth a few steps of the logits' own grid.
INTEGER_STEPS = 4


class Runner(Enum):
    """The programs of ours that run model files outside this process; devices/runners/ holds them."""

    CPP = "C++"
    PYTHON = "Python"
    BROWSER = "browser"
    ANDROID_DEMO = "Android demo"
    IOS_DEMO = "iOS demo"
    HTP = "Qualcomm's NPU library"


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


@dataclass(frozen=True)
class ArtifactLayers:
    """The outputs of an artifact's layers, and None or how they were emulated."""

    outputs: list[LayerOutput]
    emulation: str | None


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

    def trace(self, inputs: Sequence[NDArray[np.float32]], runs: int) -> bytes:
        """Return the runtime's own profile of ``runs`` inferences, the inputs in turn, for :meth:`Target.read_trace`.

        Raises:
            TargetError: the runtime gives none here; see :attr:`Target.traces_here`.
        """
        raise TargetError(f"no profile of {runs} runs on {len(inputs)} images: this runtime gives none here")


class Target(ABC):
    """Lowers graphs to artifacts of one kind, runs them on this machine and reads what they and their runtime say.

    A target has to lower, open, inspect and preload. What else it can do it says itself; until then what asks for
    it gets a sentence, which the report shows.

    Attributes:
        name: in commands, reports and folders' names.
        recipes: what it can be lowered from.
        file: name of the model file in an artifact folder, and on devices; its ending tells the target's files.
        package: the distribution whose version is the runtime's.
        tools: further distributions that shape its artifacts.
        options_type: what can be chosen about lowering; the constructor takes one of it, or None.
        runners: the programs that run its artifacts on devices; with none, they run on this machine only.
        traces_here: whether its sessions give the runtime's own profile; else a runner does, where there is one.
        everywhere: whether the runtime itself, and no emulation, runs on every system that this program runs on.
        integer_steps: by how many steps of the logits' own grid an engine may round apart.
        kernels: how the runtime calls its kernels in its profile.
        kernel_family: whose published rows speak for the runtime's latency on phones; None: no row does.
        extra: of this package, that adds its runtime; None: every installation has it. A target that has one is made
            where it is named, and is none of the defaults.
        runtime: in reports.
    """

    name: ClassVar[str]
    recipes: ClassVar[tuple[str, ...]]
    file: ClassVar[str]
    package: ClassVar[str]
    tools: ClassVar[tuple[str, ...]] = ()
    options_type: ClassVar[type[TargetOptions]] = TargetOptions
    runners: ClassVar[frozenset[Runner]] = frozenset()
    traces_here: ClassVar[bool] = False
    everywhere: ClassVar[bool] = True
    integer_steps: ClassVar[int] = INTEGER_STEPS
    kernels: ClassVar[Kernels] = Kernels()
    kernel_family: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None
    runtime: str

    @classmethod
    def npu_options(cls, delegate: str) -> TargetOptions | None:  # noqa: ARG003
        """Return the options that compile for an NPU by its delegate's name; None: no compiler here estimates there."""
        return None

    def estimate(self, file: Path) -> CompilerEstimate | Unknown | None:  # noqa: ARG002
        """Return what an NPU's compiler says of a model file or why it is not known; None: it is for no such NPU."""
        return None

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

    def required_kernels(self, file: Path) -> RequiredKernels | Unknown:  # noqa: ARG002
        """Return the kernels that a build of the runtime must hold to run a model file, or why there is no such list.

        Raises:
            ArtifactError: the file is damaged or of another kind.
        """
        return self._no_smaller_builds()

    def missing_kernels(self, file: Path, selection: Path) -> tuple[str, ...] | Unknown:  # noqa: ARG002
        """Return what a model file needs and a runtime built from ``selection`` lacks, or why it is not known.

        Args:
            file: the model file.
            selection: what the runtime was built from, in the form of :attr:`RequiredKernels.text`.

        Raises:
            ArtifactError: one of the files is damaged or of another kind.
        """
        return self._no_smaller_builds()

    def _no_smaller_builds(self) -> Unknown:
        return Unknown(reason=f"no build of {self.runtime} without some of its kernels is known")

    def prepare(self) -> None:
        """Import what :meth:`lower` needs, which takes seconds: a job does so while another process works."""
        return

    @abstractmethod
    def preload(self) -> None:
        """Import the target's runtime, so that timing a load does not time Python imports."""

    def layer_outputs(self, file: Path, pixels: NDArray[np.uint8]) -> ArtifactLayers | Unknown:  # noqa: ARG002
        """Return the output of every weighted layer of a model file on this machine, in order, or why there is none.

        Args:
            file: an artifact's model file, batch 1.
            pixels: uint8 (N, C, H, W).

        Raises:
            ArtifactError, TargetError: the file is damaged, or its emulation lacks an operation.
        """
        return Unknown(reason=f"target {self.name} gives no inner values")

    def read_trace(self, data: bytes) -> tuple[LayerTrace, ...] | Unknown:  # noqa: ARG002
        """Return the operators of the runtime's own profile in the order they ran, or why it is not understood.

        A damaged profile raises whatever its parser stumbles over.
        """
        return Unknown(reason=f"no per-layer profile of {self.name} is understood")

    def require_recipe(self, recipe: str) -> None:
        """Raise TargetError when the target has no such recipe."""
        if recipe not in self.recipes:
            raise TargetError(
                f"target '{self.name}' has no recipe '{recipe}'; it has: {', '.join(self.recipes)}"
            )
