"""What the Arm backend is given is the shared graph to the bit, but for how it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fer_deploy.data.faces import Faces
from fer_deploy.model import Model
from fer_deploy.quantize.graph import run_module
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.executorch import ethos_u
from fer_deploy.targets.executorch.ethos_u_graph import for_arm
from fixtures.lowered import GraphOf
from fixtures.synthetic import contract_for, input_spec, separable_faces


@pytest.mark.skipif(ethos_u.obstacle("tosa_serializer") is not None, reason=str(ethos_u.obstacle()))
def test_for_arm(graph_of: GraphOf, test_faces: Faces) -> None:
    graph, pixels = graph_of("w8a8-ptq"), test_faces.pixels[:20]
    program = for_arm(graph)
    np.testing.assert_array_equal(
        run_module(program.module(check_guards=False), pixels, 1),
        run_module(graph.module, pixels, 1),
    )
    names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not any("adaptive_avg_pool2d" in name for name in names)
    for node in program.graph.nodes:
        if node.target in (
            torch.ops.aten.conv2d.default,
            torch.ops.aten.linear.default,
        ):
            assert node.meta["custom"]["_arm_annotation_info"]["quantized"]
            bias = node.args[2] if len(node.args) > 2 else None
            assert bias is None or bias.args[-1] == torch.int32


class Padded(torch.nn.Module):
    """Moves values between two grids, and averages windows."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.first = torch.nn.Conv2d(1, 4, 3)
        self.middle = torch.nn.Conv2d(4, 4, 3)
        self.second = torch.nn.Conv2d(4, 4, 3)
        self.last = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        x = torch.relu(self.middle(torch.nn.functional.pad(torch.relu(self.first(x)), (0, 1, 0, 1))))
        x = torch.relu(self.second(torch.nn.functional.avg_pool2d(x, 2)))
        logits: torch.Tensor = self.last(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def _two_grids(module: Any) -> int:
    """Widen every other grid and let it reach below zero: operators have two, and ReLUs end inside one."""
    changed = 0
    for index, node in enumerate(_quantizers(module)):
        if index % 2:
            scale = node.args[1] * 1.37
            for one in (node, *node.users):
                one.args = (one.args[0], scale, -51, *one.args[3:])
            changed += 1
    module.recompile()
    return changed


def _quantizers(module: Any) -> list[Any]:
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    return [node for node in module.graph.nodes if node.target == quantize]


@pytest.mark.skipif(ethos_u.obstacle("tosa_serializer") is not None, reason=str(ethos_u.obstacle()))
def test_values_are_moved_on_the_outgoing_grid() -> None:
    """The Arm backend passes integers through a pad as they are, whatever the two grids say (asymmetric_pad)."""
    torch.manual_seed(0)
    faces = separable_faces(80, 0)
    model = Model("padded", "padded", Padded().eval(), contract_for(input_spec()), "0" * 64)
    graph = quantize_ptq(model, choose_calibration(faces, 32))
    assert _two_grids(graph.module) > 2
    pixels = faces.pixels[:6]
    program = for_arm(graph)
    module = program.module(check_guards=False)
    np.testing.assert_array_equal(run_module(module, pixels, 1), run_module(graph.module, pixels, 1))
    moving = {
        torch.ops.aten.pad.default,
        torch.ops.aten.max_pool2d.default,
        torch.ops.aten.flatten.using_ints,
    }
    seen = 0
    for node in module.graph.nodes:
        assert node.target not in {
            torch.ops.aten.avg_pool2d.default,
            torch.ops.aten.adaptive_avg_pool2d.default,
        }
        if node.target == torch.ops.aten.relu.default:
            (quantizer,) = node.users
            below_zero = quantizer.args[2] != quantizer.args[3]
            assert below_zero == ("dequantize_per_tensor" in str(node.all_input_nodes[0].target))
        if node.target in moving and all(user in _quantizers(module) for user in node.users):
            (source,) = node.all_input_nodes
            assert {user.args[1:] for user in node.users} == {source.args[1:]}
            seen += 1
    assert seen >= 1
