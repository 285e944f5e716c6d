"""The faces that networks are held on: FER+ where it is, else drawn ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from fer_deploy.contract import Contract, InputSpec, TrainedOn
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.quantize.recipe import CalibrationSet, choose_calibration
from fixtures.real_data import real_faces

CALIBRATION_IMAGES = 64
TEST_IMAGES = 48

CONTRACT = Contract(
    labels=FERPLUS_LABELS,
    input=InputSpec(height=48, width=48, color="grey", mean=(128.0,), std=(64.0,)),
    trained_on=TrainedOn(dataset="FER+"),
)


@dataclass(frozen=True)
class Bench:
    """What every network is held on: a calibration set and test faces that are not in it."""

    calibration: CalibrationSet
    test: Faces


@functools.cache
def bench() -> Bench:
    """Return the faces; drawn ones where FER+ is not there."""
    file = real_faces()
    if file is None:
        training, test = drawn_faces(200, 0), drawn_faces(TEST_IMAGES, 1)
    else:
        spec = DatasetSpec(path=file)
        training = open_dataset(spec, "train", CONTRACT.labels, CONTRACT.input)
        test = open_dataset(spec, "test", CONTRACT.labels, CONTRACT.input)
        chosen = np.random.default_rng(3).permutation(len(test))[:TEST_IMAGES]
        test = test.subset(chosen.astype(np.int64))
    return Bench(choose_calibration(training, CALIBRATION_IMAGES), test)


def drawn_faces(count: int, seed: int) -> Faces:
    """Return smooth random images with structure at the size of facial parts, their classes going round."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn((count, 1, 6, 6), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (48, 48), mode="bilinear")
    targets = (np.arange(count) % len(CONTRACT.labels)).astype(np.int64)
    return Faces(
        name=f"drawn faces {seed}",
        labels=CONTRACT.labels,
        pixels=(smooth * 50 + 128).clamp(0, 255).to(torch.uint8).numpy().copy(),
        targets=targets,
        distribution=one_hot(targets, len(CONTRACT.labels)),
        rows=np.arange(count, dtype=np.int64),
        leaked=np.zeros(count, dtype=bool),
    )
