from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.train.augment import mixup


def batch(count: int = 16, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    pixels = torch.rand(count, 1, 6, 6, generator=generator) * 255
    return pixels, torch.softmax(torch.randn(count, classes, generator=generator) * 3, dim=1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(alpha=st.floats(0.05, 5.0), seed=st.integers(0, 50))
def test_images_and_distributions_are_mixed_in_the_same_proportion(alpha: float, seed: int) -> None:
    pixels, distribution = batch()
    # the first class's share is painted into the image, so that the two can be compared
    pixels = distribution[:, :1].view(-1, 1, 1, 1).expand(-1, 1, 6, 6) * 255
    mixed, target = mixup(pixels, distribution, alpha, generator(seed))
    assert torch.allclose(mixed[:, 0, 0, 0] / 255, target[:, 0], atol=1e-5)
    assert torch.allclose(target.sum(1), torch.ones(len(target)), atol=1e-5)
    assert (target >= 0).all()


def test_the_larger_part_is_the_image_s_own() -> None:
    pixels, _ = batch(64)
    _, target = mixup(pixels, torch.eye(64), 1.0, generator())
    assert (target.diagonal() >= 0.5 - 1e-6).all()
    assert (target.diagonal() < 0.999).any()


def test_zero_mixes_nothing_and_draws_nothing() -> None:
    pixels, distribution = batch()
    drawn = generator()
    same, target = mixup(pixels, distribution, 0.0, drawn)
    assert same is pixels
    assert target is distribution
    assert torch.equal(drawn.get_state(), generator().get_state())


def test_depends_on_the_generator_alone() -> None:
    pixels, distribution = batch()
    first = mixup(pixels, distribution, 0.3, generator(3))
    torch.rand(5)
    second = mixup(pixels, distribution, 0.3, generator(3))
    other = mixup(pixels, distribution, 0.3, generator(4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("alpha", [0.1, 4.0])
def test_alpha_sets_how_much_is_mixed(alpha: float) -> None:
    pixels, _ = batch(256)
    _, target = mixup(pixels, torch.eye(256), alpha, generator())
    own = float(target.diagonal().mean())
    assert (own > 0.9) == (alpha == 0.1)
