from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.train.augment import augment
from fer_deploy.train.recipe import AugmentSpec
from fixtures.synthetic import NO_AUGMENT


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _images(count: int, channels: int = 1, height: int = 20, width: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (count, channels, height, width), generator=_generator(9)).float()


_SPECS = st.builds(
    AugmentSpec,
    flip=st.booleans(),
    rotation=st.floats(0, 90),
    scale=st.floats(0, 0.9),
    shift=st.floats(0, 0.9),
    contrast=st.floats(0, 0.9),
    brightness=st.floats(0, 0.9),
    erase=st.floats(0, 1),
)


@given(spec=_SPECS, seed=st.integers(0, 2**31), channels=st.sampled_from([1, 3]))
def test_range_shape_and_determinism(spec: AugmentSpec, seed: int, channels: int) -> None:
    pixels = _images(5, channels)
    before = pixels.clone()
    result = augment(pixels, spec, _generator(seed))
    assert result.shape == pixels.shape
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 255
    assert torch.equal(result, augment(pixels, spec, _generator(seed)))
    assert torch.equal(pixels, before), "the input must not be changed in place"


def test_no_augmentation_is_the_identity() -> None:
    pixels = _images(4)
    torch.testing.assert_close(augment(pixels, NO_AUGMENT, _generator()), pixels, atol=1e-2, rtol=0)


def test_flip_mirrors_about_half_of_the_images_and_nothing_else() -> None:
    pixels = _images(400)
    result = augment(pixels, NO_AUGMENT.model_copy(update={"flip": True}), _generator())
    same = (result - pixels).abs().amax((1, 2, 3)) < 1e-2
    mirrored = (result - pixels.flip(3)).abs().amax((1, 2, 3)) < 1e-2
    assert bool((same ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


@pytest.mark.parametrize(("name", "limit"), [("rotation", 30.0), ("shift", 0.2), ("scale", 0.3)])
def test_geometry_goes_both_ways_alike(name: str, limit: float) -> None:
    """A ramp moves, turns or zooms as often one way as the other."""
    ramp = torch.linspace(20, 235, 24).repeat(1, 1, 24, 1)
    ramp = (ramp.transpose(2, 3) if name == "rotation" else ramp).expand(600, 1, 24, 24).contiguous()
    result = augment(ramp, NO_AUGMENT.model_copy(update={name: limit}), _generator())
    if name == "shift":
        signed = (result - ramp).mean((1, 2, 3))
    elif name == "rotation":
        signed = result[..., -4:].mean((1, 2, 3)) - result[..., :4].mean((1, 2, 3))
    else:
        spread = result[..., 20].mean((1, 2)) - result[..., 4].mean((1, 2))
        signed = spread - (ramp[0, 0, 0, 20] - ramp[0, 0, 0, 4])
    assert signed.abs().max() > 1, "something must change"
    assert 240 < int((signed > 0).sum()) < 360


def test_brightness_shifts_the_mean_within_its_range() -> None:
    flat = torch.full((300, 1, 16, 16), 128.0)
    means = (
        augment(flat, NO_AUGMENT.model_copy(update={"brightness": 0.1}), _generator()).mean((1, 2, 3)) - 128
    )
    assert means.abs().max() <= 25.5 + 1e-3
    assert means.abs().max() > 22
    assert means.mean().abs() < 3


def test_contrast_keeps_the_mean_and_scales_the_spread() -> None:
    pixels = _images(300) / 2 + 64
    result = augment(pixels, NO_AUGMENT.model_copy(update={"contrast": 0.2}), _generator())
    torch.testing.assert_close(result.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=0.05, rtol=0)
    ratio = result.std((1, 2, 3)) / pixels.std((1, 2, 3))
    assert 0.8 - 1e-3 <= ratio.min() < 0.82
    assert 1.18 < ratio.max() <= 1.2 + 1e-3


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_erase_fills_one_rectangle_with_the_mean(probability: float) -> None:
    height = width = 48
    pixels = _images(300, 1, height, width)
    result = augment(pixels, NO_AUGMENT.model_copy(update={"erase": probability}), _generator())
    reference = augment(pixels, NO_AUGMENT.model_copy(update={"erase": 0.0}), _generator())
    changed = (result - reference).abs() > 1e-3
    erased = changed.flatten(1).any(1)
    assert abs(float(erased.float().mean()) - probability) < 0.1
    for index in torch.nonzero(erased).flatten()[:50]:
        where = changed[index, 0]
        rows, columns = torch.nonzero(where.any(1)).flatten(), torch.nonzero(where.any(0)).flatten()
        for span, side in ((rows, height), (columns, width)):
            length = int(span.max() - span.min()) + 1
            assert side / 6 - 1 <= length <= side / 3 + 1
        filled = result[index, 0][where]
        torch.testing.assert_close(filled, reference[index].mean().expand_as(filled))
