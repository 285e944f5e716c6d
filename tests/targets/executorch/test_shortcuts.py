"""Passes that are left out change nothing: the program is the same bytes, whatever the network holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.model import Model
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.ptq import convert
from fer_deploy.quantize.recipe import W8A8_PTQ, PtqOptions, choose_calibration
from fer_deploy.targets.executorch import shortcuts
from fer_deploy.targets.executorch.target import FILE, ExecuTorchTarget
from fixtures.synthetic import contract_for, input_spec, separable_faces


class Plain(nn.Module):
    """A convolution, something in the middle, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(1, 8, 3, 2, 1), nn.Linear(8, 4)
        self.slope = nn.PReLU(8)

    def middle(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.middle(self.stem(x / 255)).mean((2, 3)))
        return y


class Upsampled(Plain):
    def middle(self, x: Tensor) -> Tensor:
        return F.interpolate(torch.relu(x), scale_factor=2.0, mode="bilinear", align_corners=False)


class Joined(Plain):
    def middle(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(torch.cat([x[:, :4], self.slope(x)[:, 4:]], 1), (1, 1, 1, 1)), 2)


class Attending(Plain):
    def middle(self, x: Tensor) -> Tensor:
        rows = x.flatten(2).transpose(1, 2)
        seen = (rows @ rows.transpose(1, 2)).softmax(-1) @ rows
        return seen.transpose(1, 2).reshape(x.shape)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("network", [Joined, Upsampled, Attending])
def test_the_program_is_the_same_bytes(
    network: type[Plain], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = Model("net", "net", network().eval(), contract_for(input_spec()), "0" * 64)
    calibration = choose_calibration(separable_faces(80, 0), 64)
    graph = convert(prepare(model, calibration, PtqOptions()), W8A8_PTQ, calibration)
    for name in ("short", "long"):
        (tmp_path / name).mkdir()
        ExecuTorchTarget().lower(graph, tmp_path / name)
        monkeypatch.setattr(shortcuts, "only_needed_passes", _nothing)
    short, long = ((tmp_path / name / FILE).read_bytes() for name in ("short", "long"))
    assert short == long


def test_only_passes_for_operators_that_are_there_stay() -> None:
    from executorch.backends.xnnpack._passes import XNNPACKPassManager

    graph = torch.export.export(Joined(), (torch.zeros(1, 1, 24, 24),))
    before = XNNPACKPassManager(graph).passes
    assert {one.__name__ for one in before} >= set(shortcuts._CHANGES), "a pass that executorch no longer has"
    with shortcuts.only_needed_passes():
        kept = XNNPACKPassManager(graph).passes
        asked = XNNPACKPassManager(graph, before[:2]).passes
    left_out = {one.__name__ for one in before} - {one.__name__ for one in kept}
    found = {"DecomposeConcatenate", "InsertPadQDQPass", "PReLUReshapePass", "RemoveGetItemPass"}
    assert left_out == set(shortcuts._CHANGES) - found
    assert asked == before[:2]
    assert XNNPACKPassManager(graph).passes == before
