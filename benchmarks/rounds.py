"""Times of files by turns: rounds of a few inferences each, so that load and clocks hit all files alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.targets.base import Session

PER_ROUND = 10


def round_of(session: Session, images: Sequence[NDArray[Any]]) -> float:
    """Return the median time of a few inferences after one that warms up, ms; the images take turns."""
    session.run(images[0])
    samples = []
    for index in range(PER_ROUND):
        image = images[index % len(images)]
        began = time.perf_counter()
        session.run(image)
        samples.append(time.perf_counter() - began)
    return 1000 * float(np.median(samples))
