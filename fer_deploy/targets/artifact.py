"""Artifact folders: ``dist/<model>/<target>-<recipe>/`` with the model file, artifact.json and golden.json.

Apps, devices and reports read these folders and nothing else; nothing is parsed out of names.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from fer_deploy.contract import Contract
from fer_deploy.data.pictures import Picture, as_picture
from fer_deploy.data.preprocess import Box, face_pixels
from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.files import as_path, copy_folder, folder_atomic, sha256_of, size_of, write_atomic
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.quantize.costs import GraphCosts, graph_costs
from fer_deploy.quantize.graph import Graph, Scales
from fer_deploy.quantize.parting import said
from fer_deploy.quantize.proof import Proof
from fer_deploy.quantize.recipe import PtqOptions
from fer_deploy.showing import Shown
from fer_deploy.targets.base import Delegation, Session, Target
from fer_deploy.targets.golden import Golden, golden_of
from fer_deploy.targets.prediction import Prediction, prediction_of
from fer_deploy.targets.proof import cautions, lower, prove_lowering
from fer_deploy.targets.registry import get_target, target_classes

INFO_FILE = "artifact.json"
GOLDEN_FILE = "golden.json"
_TOOLS_BEFORE, _TOOLS_AFTER = ("fer-deploy", "torch", "torchao"), ("numpy",)


class TensorInfo(Frozen):
    """The artifact's input or output tensor."""

    name: str
    dtype: Literal["float32"]
    layout: str
    shape: tuple[int, ...]
    meaning: str


class CalibrationInfo(Frozen):
    """Which training images set the quantization ranges."""

    dataset: str
    rows: tuple[int, ...]
    seed: int
    carried: bool = Field(
        default=False, description="the ranges came with the model, not from images at hand"
    )
    drawn: bool = Field(default=False, description="the images were drawn by code: not for shipping")


class ArtifactInfo(Frozen):
    """``artifact.json``: everything an app needs to run the model file, and a person to trust it."""

    schema_version: Literal["1.0"] = "1.0"
    model: str
    weights_sha256: str
    target: str
    recipe: str
    runtime: str
    file: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="a name in the artifact's own folder"
    )
    sha256: str
    size_bytes: int
    contract_sha256: str
    contract: Contract
    input: TensorInfo
    output: TensorInfo
    scales: Scales | None
    calibration: CalibrationInfo | None
    quantization: PtqOptions | None = None
    lowering: dict[str, str] = Field(default_factory=dict)
    """What lowering decided: opset, integer types, what a runtime has to be told."""
    note: str | None = None
    """What a user has to know about how the graph came about, e.g. that QAT was no better than PTQ."""
    proofs: tuple[Proof, ...] = ()
    """What each step on the way to the file showed of itself on faces; the last is the file's own."""
    cautions: tuple[str, ...] = ()
    """What an app that opens the file without care gets, as far as the machine that made it shows."""
    costliest_layers: tuple[str, ...] = ()
    """Layers that cost a quantized artifact most, worst first."""
    costs: GraphCosts | None = Field(default=None, description="operators, for latency estimates")
    versions: dict[str, str]


@dataclass(frozen=True, repr=False)
class Artifact(Shown):
    """A verified artifact folder: where it lies, and what its ``artifact.json`` says."""

    folder: Path
    info: ArtifactInfo

    @property
    def file(self) -> Path:
        """The model file or package."""
        return self.folder / self.info.file

    @property
    def proof(self) -> Proof | None:
        """The proof of the file itself, or None for an artifact of before there were any."""
        return self.info.proofs[-1] if self.info.proofs else None

    @property
    def key(self) -> str:
        """``target-recipe``."""
        return f"{self.info.target}-{self.info.recipe}"

    def predict(self, image: Picture, box: Box | None = None) -> Prediction:
        """Return label, probabilities and logits of one picture, prepared as the contract says.

        Args:
            image: a path, a PIL image, or a uint8 array (H, W) or (H, W, 3).
            box: the face in it, in pixels, which the contract's margin widens; None where the picture is the crop.

        Raises:
            ArgumentError, DataError: the picture is of a wrong kind, missing or damaged, or the box is empty.
            ArtifactError, TargetError: the model file is damaged, or this machine cannot run it.
        """
        pixels = face_pixels(as_picture(image), self.info.contract.input, box)[None]
        session = self._session
        return prediction_of(session.run(pixels.astype(np.float32))[0], self.info.contract, session.emulation)

    def save(self, folder: str | os.PathLike[str]) -> Artifact:
        """Write a copy as ``folder``, whose parents are made, and return it; an artifact that is there is replaced.

        Raises:
            OutputError: the folder cannot be written, or something else is there.
        """
        goal = as_path(folder, "folder")
        copy_folder(self.folder, goal, INFO_FILE)
        return open_artifact(goal)

    def require_host(self) -> None:
        """Raise TargetError when this machine can neither run nor emulate the artifact."""
        if (obstacle := get_target(self.info.target).host_obstacle()) is not None:
            raise TargetError(f"{self.folder} cannot be run here: {obstacle}")

    @cached_property
    def _session(self) -> Session:
        self.require_host()
        return get_target(self.info.target).open(self.file, threads=1)

    def __getstate__(self) -> dict[str, object]:  # a session is of this process
        return {"folder": self.folder, "info": self.info}


def tool_versions() -> dict[str, str]:
    """Return the versions of everything that shapes an artifact, of whichever target."""
    own = [
        name for target in target_classes() if _is_there(target) for name in (*target.tools, target.package)
    ]
    names = dict.fromkeys((*_TOOLS_BEFORE, *own, *_TOOLS_AFTER))
    versions = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **versions}


def _is_there(target: type[Target]) -> bool:
    """Return whether a target's runtime is installed: every target's is, but for those that need an extra."""
    if target.extra is None:
        return True
    try:
        importlib.metadata.version(target.package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def write_artifact(
    target: Target,
    graph: Graph,
    folder: str | os.PathLike[str],
    model_name: str,
    weights_sha256: str,
    calibration: CalibrationInfo | None = None,
) -> tuple[Artifact, Delegation]:
    """Lower ``graph`` and write the artifact folder as a whole or not at all.

    Raises:
        TargetError: the target refuses the graph.
        ProofError: what it made of the graph is another network.
        OutputError: the folder cannot be written.
    """
    spec, folder = graph.contract.input, as_path(folder, "folder")
    with folder_atomic(folder) as temporary:
        lowered = lower(target, graph, temporary)
        file = temporary / lowered.file
        proven = prove_lowering(target, graph, file)
        info = ArtifactInfo(
            model=model_name,
            weights_sha256=weights_sha256,
            target=target.name,
            recipe=graph.recipe.name,
            runtime=target.runtime,
            file=lowered.file,
            sha256=sha256_of(file),
            size_bytes=size_of(file),
            contract_sha256=graph.contract.sha256,
            contract=graph.contract,
            input=TensorInfo(
                name=lowered.input_name,
                dtype="float32",
                layout="NCHW",
                shape=spec.shape,
                meaning=f"{spec.color} pixels 0..255; the graph normalises them",
            ),
            output=TensorInfo(
                name="logits",
                dtype="float32",
                layout="NK",
                shape=(1, len(graph.contract.labels)),
                meaning="one logit per label of the contract; softmax at its temperature gives probabilities",
            ),
            scales=graph.scales,
            calibration=calibration,
            quantization=graph.options,
            lowering=lowered.choices,
            note=graph.note,
            proofs=(*graph.proofs, *lowered.proofs, proven),
            cautions=cautions(target, graph, file),
            costliest_layers=said(dict(graph.costs)),
            costs=graph_costs(graph),
            versions=tool_versions(),
        )
        write_atomic(temporary / INFO_FILE, info.model_dump_json(indent=1) + "\n")
        golden = golden_of(target, graph, file, info.sha256)
        write_atomic(temporary / GOLDEN_FILE, golden.model_dump_json(indent=1) + "\n")
    return Artifact(folder, info), lowered.delegation


def open_artifact(folder: str | os.PathLike[str]) -> Artifact:
    """Return the artifact in ``folder``, its files checked against each other and the recorded digests.

    Raises:
        ArgumentError: ``folder`` is no path.
        ArtifactError: no artifact there, a damaged or missing file, or a malformed or contradictory JSON.
    """
    folder = as_path(folder, "folder")
    path = folder / INFO_FILE
    try:
        info = ArtifactInfo.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{folder} is not an artifact folder: it has no {INFO_FILE}") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ArtifactError(f"{path} is not valid: {first_problem(error)}") from None
    file = folder / info.file
    if not file.exists():
        raise ArtifactError(f"model file {file} does not exist; {path} names it")
    if sha256_of(file) != info.sha256:
        raise ArtifactError(f"model file {file} is damaged: its sha256 is not the one in {path}")
    if info.contract.sha256 != info.contract_sha256:
        raise ArtifactError(f"the contract in {path} was changed after export: its sha256 differs")
    if info.input.shape != info.contract.input.shape or info.output.shape != (1, len(info.contract.labels)):
        raise ArtifactError(f"the tensor shapes in {path} are not those of its contract; export it again")
    artifact = Artifact(folder, info)
    read_golden(artifact)
    return artifact


def read_golden(artifact: Artifact) -> Golden:
    """Return the golden vectors of an artifact.

    Raises:
        ArtifactError: golden.json is missing, malformed or another artifact's.
    """
    path = artifact.folder / GOLDEN_FILE
    try:
        golden = Golden.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}; export the artifact again") from None
    except ValidationError as error:
        raise ArtifactError(f"{path} is not valid: {first_problem(error)}") from None
    if (golden.artifact_sha256, golden.contract_sha256) != (
        artifact.info.sha256,
        artifact.info.contract_sha256,
    ):
        raise ArtifactError(
            f"{path} belongs to another artifact: its sha256 differ; export the artifact again"
        )
    return golden


def find_artifacts(root: Path) -> list[Artifact]:
    """Return the artifacts in ``root/<model>/<target>-<recipe>/``, sorted by folder.

    Raises:
        ArtifactError: there is none, or one of them is damaged.
    """
    found = (path.parent for path in root.glob(f"*/*/{INFO_FILE}"))
    # hidden: being written, or left by a killed process (``files.folder_atomic``)
    folders = sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not folders:
        raise ArtifactError(f"there is no artifact below {root}; make some with `fer-deploy export` or `run`")
    return [open_artifact(folder) for folder in folders]
