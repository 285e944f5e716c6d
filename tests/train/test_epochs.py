from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fer_deploy.train.augment import normalised
from fer_deploy.train.epochs import WeightAverage, learning_rate_at
from fer_deploy.train.losses import soft_cross_entropy
from fixtures.synthetic import Color, input_spec, tiny_recipe


@given(
    epochs=st.integers(1, 40),
    steps=st.integers(1, 30),
    warmup=st.floats(0, 50),
    peak=st.floats(1e-4, 10),
)
def test_learning_rate_rises_to_the_peak_then_falls_toward_zero(
    epochs: int, steps: int, warmup: float, peak: float
) -> None:
    recipe = tiny_recipe(epochs=epochs, warmup_epochs=warmup, learning_rate=peak)
    rates = [learning_rate_at(step, steps, recipe) for step in range(epochs * steps)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    top = min(int(warmup * steps), epochs * steps - 1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[top] == pytest.approx(peak)


def test_learning_rate_by_hand() -> None:
    recipe = tiny_recipe(epochs=3, warmup_epochs=1.0, learning_rate=1.0)
    rates = [learning_rate_at(step, 4, recipe) for step in range(12)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert abs(rates[8] - 0.5) < 1e-12  # half-way down the cosine


@given(st.integers(0, 255), st.sampled_from(["grey", "rgb"]))
def test_normalised(value: int, color: Color) -> None:
    spec = input_spec(16, color)
    pixels = torch.full((2, *spec.shape[1:]), value, dtype=torch.uint8)
    result = normalised(pixels, spec)
    assert result.dtype == torch.float32
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True)):
        torch.testing.assert_close(result[:, channel], torch.full((2, 16, 16), (value - mean) / std))


@given(st.integers(2, 10), st.floats(0, 0.9))
def test_soft_cross_entropy_is_torchs_on_hard_labels(classes: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(6, classes, generator=generator)
    targets = torch.randint(classes, (6,), generator=generator)
    expected = nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    mine = soft_cross_entropy(logits, nn.functional.one_hot(targets, classes).float(), smoothing)
    torch.testing.assert_close(mine, expected)


def test_soft_cross_entropy_of_a_distribution_is_least_at_the_distribution() -> None:
    target = torch.tensor([[0.7, 0.2, 0.1]])
    entropy = -(target * target.log()).sum()
    torch.testing.assert_close(soft_cross_entropy(target.log(), target), entropy)
    assert soft_cross_entropy(torch.zeros(1, 3), target) > entropy


def test_average_follows_its_schedule_and_copies_counters() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    linear, norm = model[0], model[1]
    assert isinstance(linear, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    nn.init.constant_(linear.weight, 0.0)
    average = WeightAverage(model, decay=0.5)
    nn.init.constant_(linear.weight, 1.0)
    expected = 0.0
    for step in range(1, 31):
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.fill_(step)
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        state = average.module.state_dict()
        torch.testing.assert_close(state["0.weight"], torch.tensor([[expected]]))
        assert state["1.num_batches_tracked"] == step
    assert not average.module.training
    assert linear.weight.item() == 1.0, "the model itself is left alone"
