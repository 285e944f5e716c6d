"""Where two graphs part; a value that float rounding moves across a jump is no fault, and hides none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fer_deploy.errors import ProofError
from fer_deploy.model import Model
from fer_deploy.quantize import canonical as canonical_module
from fer_deploy.quantize.canonical import copy_graph, exported_graph
from fer_deploy.quantize.layers import attribute
from fer_deploy.quantize.parting import first_parting, is_jump, with_jumps_held
from fer_deploy.quantize.proof import prove_exact
from fixtures.synthetic import contract_for, input_spec, separable_faces

PIXELS = separable_faces(64, 0).pixels[:32]


class Stepped(nn.Module):
    """Whole numbers in the middle: a value at a half goes either way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, 4)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        whole = (4 * self.stem(x)).to(torch.int32).float() / 4
        y: Tensor = self.head(whole.mean((2, 3)))
        return y


@pytest.fixture(scope="module")
def graph() -> torch.fx.GraphModule:
    torch.manual_seed(0)
    model = Model("stepped", "stepped", Stepped().eval(), contract_for(input_spec()), "0" * 64)
    exported, _ = exported_graph(model)
    return exported


def _nudged(graph: torch.fx.GraphModule, by: float) -> torch.fx.GraphModule:
    other = copy_graph(graph)
    with torch.no_grad():
        attribute(other, "network.stem.weight").mul_(1 + by)
    return other


def _logits(graph: torch.fx.GraphModule) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(graph(torch.from_numpy(PIXELS.astype(np.float32))))


def test_a_value_that_rounding_moves_is_held(graph: torch.fx.GraphModule) -> None:
    other = _nudged(graph, 1e-4)
    with pytest.raises(ProofError):
        prove_exact("nudging", _logits(graph), _logits(other))
    held = with_jumps_held(graph, other, PIXELS)
    assert held is not None
    prove_exact("nudging", held.before, held.after)
    assert "values of network:to" in held.note


def test_more_than_rounding_is_not_held(graph: torch.fx.GraphModule) -> None:
    assert with_jumps_held(graph, _nudged(graph, 0.1), PIXELS) is None


def test_a_fault_behind_the_jump_shows(graph: torch.fx.GraphModule) -> None:
    other = _nudged(graph, 1e-4)
    with torch.no_grad():
        attribute(other, "network.head.weight").mul_(1.01)
    held = with_jumps_held(graph, other, PIXELS)
    assert held is not None
    with pytest.raises(ProofError, match="nudging changed the network"):
        prove_exact("nudging", held.before, held.after)
    assert first_parting(graph, other, PIXELS) is not None


@pytest.mark.parametrize(
    ("function", "jumps"),
    [
        (torch.round, True),
        (torch.relu, False),
        (lambda x: (x > 0).float(), True),
        (lambda x: x.argmax(1), True),
        (lambda x: x.to(torch.float16), False),
    ],
)
def test_jumps(function, jumps: bool) -> None:  # type: ignore[no-untyped-def]
    class Apply(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = function(x)
            return y

    exported = torch.export.export(Apply(), (torch.randn(2, 3),)).module(check_guards=False)
    assert any(is_jump(node) for node in exported.graph.nodes) is jumps


def test_the_canonical_graph_of_a_network_with_jumps_says_what_it_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    model = Model("stepped", "stepped", Stepped().eval(), contract_for(input_spec()), "0" * 64)

    def nudge(module: torch.fx.GraphModule) -> int:
        with torch.no_grad():
            attribute(module, "network.stem.weight").mul_(1 + 1e-4)
        return 1

    monkeypatch.setattr(canonical_module, "REWRITES", (("nudging", nudge),))
    evidence = canonical_module.evidence_of(model, PIXELS, "separable faces", real=True)
    (note,) = [
        one.note for one in canonical_module.canonical(model, evidence).proofs if one.step == "nudging"
    ]
    assert note is not None
    assert note.endswith("across a jump; answers compared with these held")
