"""Parts of a family run, each alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from fer_deploy.data.corruptions import HELD_OUT
from fer_deploy.errors import ModelError, TrainingError
from fer_deploy.train.family.data import Order, corrupt
from fer_deploy.train.family.recipe import CorruptSpec, FamilyRecipe, load_family_recipe
from fer_deploy.train.family.scores import auroc
from fer_deploy.train.family.steps import AveragedSgd, cosine, train
from fer_deploy.zoo.teachers import TEACHERS, build_teacher
from fixtures.family import COMMITTED

CPU = torch.device("cpu")


def test_committed_recipe_trains_every_shipped_architecture() -> None:
    recipe = load_family_recipe(COMMITTED)
    assert set(recipe.students.architectures) >= {"fer_xs", "fer_s", "fer_m", "fer_s_stem1"}
    assert sum(member.share for member in recipe.teachers.members) < 0.5
    assert not set(recipe.corrupt.kinds) & set(HELD_OUT)


def test_trial_recipe_takes_a_cpu_few_steps() -> None:
    recipe = load_family_recipe(COMMITTED.with_name("trial.toml"))
    epochs = [member.epochs for member in recipe.teachers.members]
    assert sum(epochs) + recipe.students.epochs == 2
    assert len(recipe.students.architectures) == len(recipe.students.seeds) == 1
    assert recipe.batch_size <= 64


def test_held_out_corruption_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(COMMITTED.read_text() + "\njpeg = { mild = 90.0, severe = 20.0 }\n")
    with pytest.raises(TrainingError, match="'jpeg' is no corruption to train with; known: gaussian_noise"):
        load_family_recipe(path)


def test_averaged_sgd_is_torchs_nesterov() -> None:
    torch.manual_seed(0)
    mine, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(mine.state_dict())
    optimizer = AveragedSgd(mine, 0.01, 0.9)
    optimizer.rate.fill_(0.1)
    optimizer.follow.fill_(0.5)
    groups = [
        {"params": [theirs.weight], "weight_decay": 0.01},
        {"params": [theirs.bias], "weight_decay": 0.0},
    ]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    average = mine.weight.detach().clone()
    for _ in range(5):
        x = torch.randn(4, 5)
        optimizer.step(mine(x).square().mean())
        reference.zero_grad()
        theirs(x).square().mean().backward()
        reference.step()
        average.lerp_(theirs.weight.detach(), 0.5)
    assert torch.allclose(mine.weight, theirs.weight, atol=1e-6)
    assert torch.allclose(mine.bias, theirs.bias, atol=1e-6)
    assert torch.allclose(optimizer.averaged()["weight"], average, atol=1e-6)


def test_evaluating_swaps_and_puts_back() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    optimizer = AveragedSgd(network, 0.0, 0.9)
    optimizer.rate.fill_(1.0)
    optimizer.follow.fill_(0.1)
    optimizer.step(network(torch.randn(8, 2)).square().sum())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with optimizer.evaluating() as one:
        assert not one.training
        assert not torch.equal(one.state_dict()["1.running_mean"], before["1.running_mean"])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_order_shows_every_image_once_an_epoch() -> None:
    order = Order(10, 3, 0, CPU)
    seen: list[int] = []
    for _ in range(order.steps):
        order.advance()
        seen += order.index.tolist()
        ended = order.ends_epoch()
    assert ended
    assert order.epoch == 1
    assert len(seen) == len(set(seen)) == 9
    with pytest.raises(TrainingError, match="choose a smaller batch_size"):
        Order(2, 3, 0, CPU)


def test_schedule_rises_and_falls_to_zero() -> None:
    assert [cosine(at, 0.1) for at in (0.0, 0.05, 0.1)] == pytest.approx([0.0, 0.5, 1.0])
    assert cosine(1.0, 0.1) == pytest.approx(0.0)


def test_time_limit_ends_the_schedule_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, *[100.0] * 9])
    monkeypatch.setattr("fer_deploy.train.family.steps.time.monotonic", lambda: next(clock))
    said: list[str] = []
    progress: list[float] = []
    order = Order(8, 4, 0, CPU)
    epochs = train(
        lambda: None, order, 1000, 100.0, lambda _, at: progress.append(at), lambda _: None, said.append
    )
    assert epochs == 48.0
    assert len(progress) == 96
    assert progress[-1] == pytest.approx(95 / 96)
    assert "96 steps" in said[0]


def test_probability_of_corruption_falls_at_the_end() -> None:
    spec = load_family_recipe(COMMITTED).corrupt
    assert spec.probability_at(0.5) == spec.probability
    assert spec.probability_at(1.0) == pytest.approx(spec.last)


def test_corrupt_touches_the_share_it_is_asked_for() -> None:
    spec = load_family_recipe(COMMITTED).corrupt
    spec = CorruptSpec.model_validate(spec.model_dump() | {"again": 0.0})
    pixels = (torch.rand(400, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 255).round()
    made = corrupt(pixels, spec, torch.tensor(0.3), torch.Generator().manual_seed(1))
    touched = (made != pixels).flatten(1).any(1).float().mean().item()
    assert touched == pytest.approx(0.3, abs=0.07)
    assert torch.equal(corrupt(pixels, spec, torch.tensor(0.0), torch.Generator()), pixels)
    assert made.min() >= 0
    assert made.max() <= 255


def test_area_under_the_curve() -> None:
    positive = torch.tensor([True, True, False, False])
    assert auroc(torch.tensor([3.0, 4.0, 1.0, 2.0]), positive) == 1.0
    assert auroc(torch.tensor([1.0, 4.0, 2.0, 3.0]), positive) == 0.5
    assert auroc(torch.tensor([1.0]), torch.tensor([True])) == 0.5


@pytest.mark.parametrize("name", TEACHERS)
def test_teachers_answer_any_size(name: str) -> None:
    network = build_teacher(name, 15, 3).eval()
    assert network(torch.zeros(2, 3, 40, 32)).shape == (2, 15)


def test_unknown_teacher() -> None:
    with pytest.raises(ModelError, match="unknown teacher 'x'; known: vgg13_bn"):
        build_teacher("x", 15)


def test_tiny_recipe_is_a_recipe(tiny: FamilyRecipe) -> None:
    assert FamilyRecipe.model_validate(tiny.model_dump()) == tiny
