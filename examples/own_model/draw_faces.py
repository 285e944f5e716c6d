"""Stands for your own photographs: writes faces/train/<label>/ and faces/test/<label>/, drawn by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from my_net import LABELS
from PIL import Image

from fer_deploy.data.drawn_faces import EXPRESSIONS, draw_face


def main() -> None:
    """Write 80 images of each class for training and 120 for testing, 48 x 48 grey."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 80), ("test", 120)):
        for label in LABELS:
            folder = Path("faces") / split / label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                Image.fromarray(draw_face(EXPRESSIONS[label], 48, generator)).save(
                    folder / f"{number:03}.png"
                )


if __name__ == "__main__":
    main()
