"""What figures are about: an artifact or a model, opened in one place, and what it answers to images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Contract
from fer_deploy.data.pictures import Picture, as_picture
from fer_deploy.data.preprocess import Box, face_pixels
from fer_deploy.forked import in_halves
from fer_deploy.frozen import Unknown
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.graph import Graph, batches
from fer_deploy.quantize.layers import torch_layers
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.artifact import INFO_FILE, Artifact, open_artifact
from fer_deploy.targets.base import ArtifactLayers
from fer_deploy.targets.prediction import Prediction, prediction_of
from fer_deploy.targets.registry import get_target

#: Images given to a session at a time: enough for one that has batches, few enough for a smooth bar.
_BATCH = 64


@dataclass(frozen=True)
class Inference:
    """Logits float32 (N, K), and None or how they were emulated instead of run by the target's own runtime."""

    logits: NDArray[np.float32]
    emulation: str | None


def infer(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> Inference:
    """Return what an artifact answers to uint8 pixels (N, C, H, W), each image on its own as on a device.

    Raises:
        ArtifactError: the model file is damaged.
        TargetError: this machine can neither run nor emulate the artifact.
    """
    session = get_target(artifact.info.target).open(artifact.file, threads)

    def run(some: NDArray[np.uint8], note: str | None) -> NDArray[np.float32]:
        return np.concatenate([session.run_batch(batch) for batch in batches(some, _BATCH, note)])

    note = f"evaluating {artifact.key}"
    if session.emulation is None:  # a runtime's own threads would not come along into a second process
        return Inference(run(pixels, note), None)
    return Inference(in_halves(run, pixels, _BATCH, note), session.emulation)


def artifact_logits(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    """Return the logits of :func:`infer` alone, float32 (N, K)."""
    return infer(artifact, pixels, threads).logits


def float_inference(graph: Graph, pixels: NDArray[np.uint8], note: str) -> Inference:
    """Return what a float graph answers to uint8 pixels (N, C, H, W), under the progress bar ``note``."""
    return Inference(graph.logits(pixels, note), None)


@dataclass(frozen=True)
class Subject:
    """An artifact that this machine can run, or a float model, which torch runs.

    Attributes:
        reference: as it was asked for.
        source: what it is.
    """

    reference: str
    source: Artifact | Model

    @property
    def name(self) -> str:
        """What it is called in tables."""
        kind = self.source.key if isinstance(self.source, Artifact) else "float, torch"
        return f"{self.reference} ({kind})"

    @property
    def contract(self) -> Contract:
        """What it expects and answers."""
        return self.source.info.contract if isinstance(self.source, Artifact) else self.source.contract

    def answers(self, pixels: NDArray[np.uint8]) -> Inference:
        """Return its logits for uint8 pixels (N, C, H, W).

        Raises:
            ArtifactError, TargetError: the model file is damaged, or its emulation lacks an operation.
        """
        if isinstance(self.source, Artifact):
            return infer(self.source, pixels)
        return float_inference(float_graph(self.source), pixels, f"evaluating {self.source.name}")

    def predict(self, image: Picture, box: Box | None = None) -> Prediction:
        """Return its answer to one picture; arguments and errors as :meth:`Artifact.predict`."""
        if isinstance(self.source, Artifact):
            return self.source.predict(image, box)
        pixels = face_pixels(as_picture(image), self.contract.input, box)[None]
        return prediction_of(self.answers(pixels).logits[0], self.contract)

    def layers(self, pixels: NDArray[np.uint8]) -> ArtifactLayers | Unknown:
        """Return each weighted layer's output for uint8 pixels (N, C, H, W), or why they do not show.

        A model of a fixed batch answers the first images only, as many as that.
        """
        if isinstance(self.source, Artifact):
            return get_target(self.source.info.target).layer_outputs(self.source.file, pixels)
        if self.source.fixed_batch is not None:
            pixels = pixels[: self.source.fixed_batch]
        return ArtifactLayers(torch_layers(float_graph(self.source).module, pixels), None)


def open_subject(reference: str, contract: Path | None = None, weights: Path | None = None) -> Subject:
    """Return what ``reference`` names.

    Args:
        reference: artifact folder, zoo folder, .pt2 or package.module:factory.
        contract, weights: as :func:`load_model` takes them; an artifact needs none.

    Raises:
        TargetError: this machine cannot run the artifact.
        FerDeployError: it is missing or damaged.
    """
    path = Path(reference)
    if not (path / INFO_FILE).is_file():
        return Subject(reference, load_model(reference, contract, weights))
    return artifact_subject(path)


def artifact_subject(folder: Path) -> Subject:
    """Return the artifact in ``folder``.

    Raises:
        ArtifactError: it is missing or damaged.
        TargetError: this machine cannot run it.
    """
    return subject_of(open_artifact(folder))


def subject_of(source: Artifact | Model) -> Subject:
    """Return what is opened already, under its path.

    Raises:
        TargetError: this machine cannot run the artifact.
    """
    if isinstance(source, Model):
        return Subject(source.source, source)
    source.require_host()
    return Subject(str(source.folder), source)
