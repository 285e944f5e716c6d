"""What is left out changes nothing: the program is the same bytes, whatever the network holds."""

from __future__ import annotations

import importlib
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
from fer_deploy.quiet import quiet
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


@pytest.fixture(scope="module", autouse=True)
def compiler() -> None:
    """Its first import warns of what it imports."""
    with quiet():
        importlib.import_module("executorch.backends.xnnpack._passes")


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class Mixed(Plain):
    """Whole numbers beside real ones, a number where a tensor is expected, a copy, a view, a constant of its own."""

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counts", torch.arange(8).reshape(1, 8, 1, 1))

    def middle(self, x: Tensor) -> Tensor:
        steps = (x * 4).to(torch.int32)
        near = torch.where(steps > 2, x, torch.zeros(()))
        return (near.contiguous() + self.counts.clone() / 3 + 1).view(x.shape).transpose(2, 3)


@pytest.mark.parametrize("network", [Joined, Upsampled, Attending, Mixed])
def test_the_program_is_the_same_bytes(
    network: type[Plain], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = Model("net", "net", network().eval(), contract_for(input_spec()), "0" * 64)
    calibration = choose_calibration(separable_faces(40, 0), 16)
    graph = convert(prepare(model, calibration, PtqOptions(rounding="nearest")), W8A8_PTQ, calibration)
    for name in ("short", "long"):
        (tmp_path / name).mkdir()
        ExecuTorchTarget().lower(graph, tmp_path / name)
        monkeypatch.setattr(shortcuts, "shortcuts", _nothing)
    short, long = ((tmp_path / name / FILE).read_bytes() for name in ("short", "long"))
    assert short == long


def test_a_pass_that_may_change_an_operator_is_not_taken_for_idle() -> None:
    import executorch.exir.passes as passes
    from executorch.exir.pass_base import ExportPass
    from executorch.exir.passes.const_prop_pass import ConstPropPass
    from executorch.exir.passes.memory_format_ops_pass import DimOrderOpsRevertPass, MemoryFormatOpsPass
    from executorch.exir.passes.normalize_transpose_pass import NormalizeTransposePass
    from executorch.exir.passes.remove_mixed_type_operators import RemoveMixedTypeOperators
    from executorch.exir.passes.replace_broken_ops_with_function_ops_pass import (
        ReplaceBrokenOpsWithFunctionalOpsPass,
    )
    from executorch.exir.passes.scalar_to_tensor_pass import ScalarToTensorPass
    from executorch.exir.passes.sym_to_tensor_pass import SymToTensorPass

    kinds = {
        kind.__name__: kind
        for kind in (
            ConstPropPass, DimOrderOpsRevertPass, MemoryFormatOpsPass, NormalizeTransposePass,
            RemoveMixedTypeOperators, ReplaceBrokenOpsWithFunctionalOpsPass, ScalarToTensorPass, SymToTensorPass,
        )
    }  # fmt: skip
    assert kinds.keys() == shortcuts._CHANGES_WHILE_TRACING.keys()
    with quiet():
        program = torch.export.export(Mixed(), (torch.zeros(1, 1, 24, 24),)).run_decompositions({})
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    changed = {
        name: {str(node.target) for node in nodes if may(node)}
        for name, may in shortcuts._CHANGES_WHILE_TRACING.items()
    }
    assert "aten.div.Tensor" in changed["RemoveMixedTypeOperators"]
    assert any("_to_copy" in name or "clone" in name for name in changed["MemoryFormatOpsPass"]), changed
    assert "aten.view.default" in changed["ReplaceBrokenOpsWithFunctionalOpsPass"]
    assert {"aten.add.Tensor", "aten.mul.Tensor"} <= changed["ScalarToTensorPass"]
    for name, kind in kinds.items():
        assert shortcuts._traces_only(kind, ExportPass, program.graph) is not bool(changed[name]), name
    assert not shortcuts._traces_only(passes.OpReplacePass, ExportPass, program.graph)


class Flat(Plain):
    def middle(self, x: Tensor) -> Tensor:
        return torch.relu(x).flatten(2).reshape(x.shape)


class Copied(Plain):
    def middle(self, x: Tensor) -> Tensor:
        return torch.relu_(x.contiguous())


@pytest.mark.parametrize(("network", "is_settled"), [(Plain, True), (Flat, False), (Copied, False)])
def test_what_every_table_decomposes_is_not_settled(network: type[Plain], is_settled: bool) -> None:
    program = torch.export.export(network().eval(), (torch.zeros(1, 1, 24, 24),))
    assert shortcuts.settled(program, {}) is is_settled
    with quiet():
        done = program.run_decompositions({})
    assert shortcuts.settled(done, {})
    before, after = (
        [str(node.target) for node in one.graph.nodes if node.op == "call_function"]
        for one in (program, done)
    )
    assert (before == after) is is_settled


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
