"""The calibration set: training images, balanced over the classes, their rows recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_deploy.data.faces import Faces
from fer_deploy.errors import QuantizationError


@dataclass(frozen=True)
class CalibrationSet:
    """Images whose activations set the quantization ranges, and the seed that drew them."""

    faces: Faces
    seed: int

    @property
    def per_class(self) -> dict[str, int]:
        """Label to number of images."""
        counts = np.bincount(self.faces.targets, minlength=len(self.faces.labels))
        return {label: int(count) for label, count in zip(self.faces.labels, counts, strict=True)}


def choose_calibration(training: Faces, size: int, seed: int = 0) -> CalibrationSet:
    """Return ``size`` training images, as evenly over the classes as their numbers allow.

    Rare classes give all they have; the others share what is left. The draw depends on ``seed`` alone.

    Raises:
        QuantizationError: fewer images than ``size``, or only one class among them.
    """
    if size < 1 or size > len(training):
        raise QuantizationError(
            f"a calibration set of {size} images cannot be drawn from the {len(training)} of {training.name}"
        )
    generator = np.random.default_rng(seed)
    queues = [
        generator.permutation(np.flatnonzero(training.targets == index))
        for index in range(len(training.labels))
    ]
    if sum(len(queue) > 0 for queue in queues) < 2:
        raise QuantizationError(
            f"calibration on {training.name} would see one class only; its ranges would fit no other face"
        )
    taken = [0] * len(queues)
    for _ in range(size):
        open_classes = [index for index, queue in enumerate(queues) if taken[index] < len(queue)]
        taken[min(open_classes, key=lambda index: taken[index])] += 1
    chosen = np.concatenate([queue[:count] for queue, count in zip(queues, taken, strict=True)])
    chosen = generator.permutation(chosen).astype(np.int64)
    return CalibrationSet(training.subset(chosen, f"calibration set of {training.name}"), seed)
