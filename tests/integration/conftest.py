"""Artifacts to send over real links, and the images to compare engines on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.fer2013 import load_fer2013
from fer_deploy.devices.runners.build import Bundle, find_runner, host_arch
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import CalibrationSet
from fer_deploy.quiet import quiet
from fer_deploy.targets.artifact import Artifact, open_artifact, write_artifact
from fer_deploy.targets.registry import get_target
from fixtures.adb_lab import adb_lab  # noqa: F401 - a fixture
from fixtures.real_data import real_faces
from fixtures.ssh_lab import ssh_lab  # noqa: F401 - a fixture
from fixtures.workshop import made_once

ROOT = Path(__file__).resolve().parents[2]
#: Images on which engines are compared.
COUNT = 200


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model(ROOT / "models" / "fer_s")


@pytest.fixture(scope="session")
def images(model: Model) -> NDArray[np.uint8]:
    """200 test faces where the data is, else 200 smooth random pictures: uint8 (N, C, H, W)."""
    spec = model.contract.input
    if real_faces():
        pixels: NDArray[np.uint8] = load_fer2013("PrivateTest", spec, "ferplus").pixels[:COUNT]
        return pixels
    generator = np.random.default_rng(1)
    pictures = []
    for _ in range(COUNT):
        coarse = Image.fromarray(generator.integers(0, 256, (6, 6), dtype=np.uint8))
        pictures.append(np.asarray(coarse.resize((spec.width, spec.height), Image.Resampling.BICUBIC)))
    return np.stack(pictures)[:, None].repeat(spec.channels, axis=1)


@pytest.fixture(scope="session")
def artifacts(model: Model, images: NDArray[np.uint8]) -> dict[str, Artifact]:
    """The float and the int8 artifact of ExecuTorch and ONNX by their keys. Do not change them."""
    torch.set_num_threads(1)

    def make(folder: Path) -> None:
        with quiet():  # warns of its own imports, once
            import executorch.exir  # noqa: F401
        labels = model.contract.labels
        targets = np.arange(64, dtype=np.int64) % len(labels)
        faces = Faces(
            "calibration pictures",
            labels,
            images[:64],
            targets,
            one_hot(targets, len(labels)),
            np.arange(64, dtype=np.int64),
            np.zeros(64, dtype=bool),
        )
        for graph in (float_graph(model), quantize_ptq(model, CalibrationSet(faces, 0))):
            for target in ("executorch", "onnx"):
                goal = folder / f"{target}-{graph.recipe.name}"
                write_artifact(get_target(target), graph, goal, model.name, model.weights_sha256)

    made = made_once(f"integration-{'real' if real_faces() else 'drawn'}", make)
    return {one.key: one for one in map(open_artifact, sorted(made.iterdir()))}


@pytest.fixture(scope="session")
def host_runner() -> Bundle:
    """The C++ runner for this machine."""
    found = find_runner(host_arch())
    if found is None:
        pytest.skip("the C++ runner is not built; build it: fer-deploy build-runner")
    return found
