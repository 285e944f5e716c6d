"""Both training steps hold only what a CUDA graph can: checked on the CPU, by the operations they are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fer_deploy.train.family import teachers as teachers_module
from fer_deploy.train.family.data import on_device
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.family.steps import captured
from fer_deploy.train.family.students import Class
from fer_deploy.train.family.teachers import Ensemble, train_teacher
from fer_deploy.zoo.teachers import build_teacher
from fixtures.family import some_faces

#: They wait for the device, copy from the host (``lift_fresh``: a tensor made of Python numbers), or answer a shape
#: that depends on values.
_FORBIDDEN = ("_local_scalar_dense", "lift_fresh", "nonzero", "masked_select", "unique", "_to_copy.device")


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        assert not any(word in name for word in _FORBIDDEN), f"{name} cannot be captured"
        assert (kwargs or {}).get("generator") is None, f"{name} draws from a generator of its own"
        for one in args:
            index_by_mask = name.startswith("aten.index") and isinstance(one, list | tuple)
            assert not index_by_mask or all(t is None or t.dtype != torch.bool for t in one), name
        self.seen.add(name)
        return func(*args, **(kwargs or {}))


def test_students_step_can_be_captured(tiny: FamilyRecipe) -> None:
    device = torch.device("cpu")
    teacher = build_teacher("vgg13_bn", 15).eval().requires_grad_(False)
    group = Class(
        tiny,
        [("fer_xs", 0), ("fer_xs", 1)],
        on_device(some_faces(16, 0), device),
        Ensemble([teacher], tiny.input),
    )
    group.capture()
    group.step()
    with _Watch() as watch:
        group.step()
    assert len(watch.seen) > 50


def test_teachers_step_can_be_captured(tiny: FamilyRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _Watch()

    def watched(step: Any, device: Any) -> Any:  # noqa: ARG001
        def run() -> None:
            with watch:
                step()

        return run

    monkeypatch.setattr(teachers_module, "captured", watched)
    faces = on_device(some_faces(16, 0), torch.device("cpu"))
    train_teacher(tiny.teachers.members[0], tiny, faces, faces, None, lambda _: None)
    assert len(watch.seen) > 30


def test_watch_sees_what_cannot_be_captured() -> None:
    for bad in (
        lambda: torch.ones(1).item(),
        lambda: torch.tensor([1.0]),
        lambda: torch.ones(2)[torch.ones(2) > 0],
        lambda: torch.rand(2, generator=torch.Generator()),
    ):
        with pytest.raises(AssertionError), _Watch():
            bad()


def test_capture_on_a_cpu_is_the_step_itself() -> None:
    def step() -> None:
        """Do nothing."""

    assert captured(step, torch.device("cpu")) is step
