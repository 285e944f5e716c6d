"""Pictures of no face: what is made of faces, and what annotators voted so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_deploy.data.fer2013 import Split, load_fer2013
from fer_deploy.data.no_face import made_no_face, non_faces, voted_no_face
from fixtures.synthetic import input_spec


def test_non_faces_come_from_the_seed() -> None:
    pixels = (torch.rand(8, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 255).round()
    one, other = (non_faces(pixels, 16, torch.Generator().manual_seed(2)) for _ in range(2))
    assert one.shape == (16, 1, 48, 48)
    assert torch.equal(one, other)
    assert one.min() >= 0
    assert one.max() <= 255
    # The first quarter holds the pixels of the faces, elsewhere.
    assert torch.equal(one[0].flatten().sort().values, pixels[0].flatten().sort().values)


@pytest.mark.parametrize("size", [(48, 48), (45, 50), (16, 17)])
def test_any_size_of_face_will_do_and_the_seed_decides(size: tuple[int, int]) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (20, 3, *size), dtype=np.uint8)
    one, other, third = made_no_face(faces, 16, 0), made_no_face(faces, 16, 0), made_no_face(faces, 16, 1)
    assert one.shape == (16, 3, *size)
    assert one.dtype == np.uint8
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


@pytest.mark.parametrize(("split", "images"), [("PublicTest", 26), ("PrivateTest", 27)])
@pytest.mark.usefixtures("fer_data")
def test_what_most_annotators_took_for_no_face(split: Split, images: int) -> None:
    found, rows = voted_no_face(split, input_spec())
    assert found.shape == (images, 1, 24, 24)
    assert len(set(rows)) == images
    faces = load_fer2013(split, input_spec(), "fer2013").rows
    assert set(rows) <= set(faces), "FER2013 calls them an expression"
    assert not set(rows) & set(load_fer2013(split, input_spec(), "ferplus").rows)
