"""Corruptions: the same from the same seed, in range, of the same shape, and worse with severity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fer_deploy.data.corruptions import CORRUPTIONS, HELD_OUT, SEVERITIES, TRAINED
from fer_deploy.data.corruptions.geometry import crop, elastic, pose, rotation, shift
from fer_deploy.data.corruptions.picture import defocus_blur, downscale, gaussian_blur, motion_blur


def some_pictures(channels: int = 1, side: int = 48) -> Tensor:
    """Return pictures with coarse and fine detail and an edge, whole numbers of 0..255, as faces have them."""
    generator = torch.Generator().manual_seed(3)
    big = torch.zeros(6, channels, side, side)
    for cells, height in ((7, 150), (21, 60), (36, 45)):
        small = torch.rand((6, channels, cells, cells), generator=generator) * height
        big += torch.nn.functional.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    big[:, :, side // 3 : side // 2, side // 4 : side // 2] = 20
    return big.round()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_there_are_enough_and_roles_do_not_overlap() -> None:
    assert len(CORRUPTIONS) >= 15
    assert len(TRAINED) >= 5
    assert len(HELD_OUT) >= 8
    assert not set(TRAINED) & set(HELD_OUT)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize(("channels", "side"), [(1, 48), (3, 64)])
def test_shape_range_whole_numbers_and_seed(name: str, channels: int, side: int) -> None:
    pixels = some_pictures(channels, side)
    before = pixels.clone()
    for severity in range(1, SEVERITIES + 1):
        made = CORRUPTIONS[name](pixels, severity, seeded())
        assert made.shape == pixels.shape
        assert made.dtype == torch.float32
        assert made.min() >= 0
        assert made.max() <= 255
        assert torch.equal(made, made.round())
        assert torch.equal(made, CORRUPTIONS[name](pixels, severity, seeded()))
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_moves_away_from_the_picture(name: str) -> None:
    pixels = some_pictures()
    distance = [
        (CORRUPTIONS[name](pixels, severity, seeded()) - pixels).abs().mean().item() for severity in (1, 2, 3)
    ]
    assert 0 < distance[0] < distance[1] < distance[2]


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "impulse_noise", "shot_noise", "motion_blur", "occlusion", "fog"]
)
def test_another_seed_is_another_picture(name: str) -> None:
    pixels = some_pictures()
    one, other = (CORRUPTIONS[name](pixels, 2, seeded(seed)) for seed in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("apply", "nothing"), [(pose, 0.0), (rotation, 0.0), (shift, 0.0), (crop, 1.0), (elastic, 0.0)]
)
def test_geometry_of_no_strength_is_the_picture(apply: object, nothing: float) -> None:
    pixels = some_pictures()
    made = apply(pixels, torch.full((len(pixels),), nothing), seeded())  # type: ignore[operator]
    assert torch.allclose(made, pixels, atol=1e-2)


def test_noise_has_the_strength_it_names() -> None:
    grey = torch.full((4, 1, 48, 48), 128.0)
    sigma = CORRUPTIONS["gaussian_noise"].strengths[1]
    made = CORRUPTIONS["gaussian_noise"](grey, 2, seeded())
    assert (made - grey).std().item() == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("blur", [gaussian_blur, defocus_blur, motion_blur])
def test_blur_keeps_what_is_flat_and_spreads_a_point(blur: object) -> None:
    flat = torch.full((2, 1, 48, 48), 77.0)
    strength = torch.full((2,), 2.0)
    assert torch.allclose(blur(flat, strength, seeded()), flat, atol=1e-3)  # type: ignore[operator]
    point = torch.zeros(2, 1, 48, 48)
    point[:, :, 24, 24] = 255
    made = blur(point, strength, seeded())  # type: ignore[operator]
    assert made.sum().item() == pytest.approx(2 * 255, rel=1e-3)
    assert made.max() < 255 / 2


def test_downscale_chooses_each_images_own_side() -> None:
    pixels = some_pictures()[:2]
    together = downscale(pixels, torch.tensor([20.0, 39.0]), None)
    assert torch.equal(together[:1], downscale(pixels[:1], torch.tensor([20.0]), None))
    assert torch.equal(together[1:], downscale(pixels[1:], torch.tensor([40.0]), None))


def test_turned_face_is_narrower_on_its_far_side() -> None:
    columns = torch.arange(48.0).view(1, 1, 1, 48).expand(1, 1, 48, 48).contiguous() * 5
    left, right = (pose(columns, torch.tensor([30.0]), seeded(seed))[0, 0, 24] for seed in (0, 1))
    steps = {"left": left.diff(), "right": right.diff()}
    # One of the two seeds may turn the other way: what holds is that the two sides differ.
    for step in steps.values():
        assert (step[8:20].mean() - step[28:40].mean()).abs() > 0.2
