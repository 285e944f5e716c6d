from __future__ import annotations

import dataclasses
import functools

import pytest
import torch
from torch import nn

from fer_deploy.model import Model
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import FLOAT
from fer_deploy.zoo import build
from fixtures.lowered import GraphOf
from fixtures.synthetic import Color, contract_for, input_spec


def _macs(module: nn.Module, color: Color = "rgb") -> int:
    return graph_costs(Graph(module.eval(), contract_for(input_spec(16, color)), FLOAT)).macs


@functools.cache
def _zoo_macs(name: str) -> int:
    """Return those of a network of 8 classes on 48 x 48 grey faces."""
    contract = contract_for(input_spec(48), tuple("abcdefgh"))
    return graph_costs(float_graph(Model(name, name, build(name, 8).eval(), contract, ""))).macs


class _Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(2)  # (1, 3, 256)
        return torch.bmm(rows, rows.transpose(1, 2))


class _Matmul(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(2)
        return rows @ rows.transpose(1, 2)


class _Einsum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(2)
        product: torch.Tensor = torch.einsum("ncp,ndp->ncd", rows, rows)
        return product


class _Fused(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(2)
        return nn.functional.scaled_dot_product_attention(rows, rows, rows)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        # outputs x outputs' height x width x (inputs / groups) x kernel
        (nn.Conv2d(3, 8, 3, padding=1), 8 * 16 * 16 * 3 * 9),
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), 8 * 16 * 16 * 3 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), 8 * 8 * 8 * 3 * 9),
        (nn.Conv2d(3, 6, 3, groups=3), 6 * 14 * 14 * 1 * 9),
        (nn.Conv2d(3, 8, (1, 5), dilation=2), 8 * 16 * 8 * 3 * 5),
        # inputs x inputs' height x width x (outputs / groups) x kernel
        (nn.ConvTranspose2d(3, 8, 2, stride=2), 3 * 16 * 16 * 8 * 4),
        (nn.ConvTranspose2d(3, 6, 3, stride=2, groups=3), 3 * 16 * 16 * 2 * 9),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 10)), 768 * 10),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 10, bias=False)), 768 * 10),
        (nn.Linear(16, 5), 3 * 16 * 16 * 5),
        (_Attention(), 3 * 256 * 3),
        (_Matmul(), 3 * 256 * 3),
        (_Einsum(), 3 * 256 * 3),
        (_Fused(), 2 * 3 * 256 * 3),
        # one-dimensional: outputs x outputs' length x inputs x kernel
        (nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 5)), 4 * 252 * 3 * 5),
        # what neither multiplies matrices nor convolves is not counted
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU6()), 8 * 16 * 16 * 3),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 0),
    ],
)
def test_hand_computed(module: nn.Module, expected: int) -> None:
    assert _macs(module) == expected


@pytest.mark.parametrize("name", ["fer_xs", "fer_s"])
def test_zoo_net_agrees_with_counting_by_hooks(name: str) -> None:
    network = build(name, 8).eval()
    counted = 0

    def hook(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(module, nn.Conv2d):
            counted += output.shape[2] * output.shape[3] * module.weight.numel()
        elif isinstance(module, nn.Linear):
            counted += module.weight.numel()

    hooks = [module.register_forward_hook(hook) for module in network.modules()]
    network(torch.zeros(1, 1, 48, 48))
    for handle in hooks:
        handle.remove()
    normalisation = 48 * 48
    assert _zoo_macs(name) == counted + normalisation


def test_moving_the_stems_stride_to_the_last_stage_costs_three_times_the_macs() -> None:
    coarse, fine = (_zoo_macs(name) for name in ("fer_s", "fer_s_stem1"))
    assert 3.1 < fine / coarse < 3.4


class _Hidden(nn.Module):
    """A graph that is not seen to be one, so that it is exported to be counted."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inner = graph.module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.inner(x)
        return answer


class _Composites(nn.Module):
    """Operators that are made of others, of which an export leaves none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.conv(x).contiguous(memory_format=torch.channels_last)
        gate = features.mean((2, 3), keepdim=True).expand_as(features)
        pooled: torch.Tensor = (features * gate).mean((2, 3))
        return pooled


def test_what_is_made_of_others_is_counted_as_those() -> None:
    contract = contract_for(input_spec(16, "rgb"))
    exported = torch.export.export(_Composites(), (torch.zeros(1, 3, 16, 16),)).module()
    seen, whole = (Graph(module, contract, FLOAT) for module in (exported, _Composites()))
    assert [op.kind for op in graph_costs(seen).ops] == [op.kind for op in graph_costs(whole).ops]


def test_an_image_through_the_graph_counts_what_an_export_does(graph_of: GraphOf) -> None:
    graph = graph_of("w8a8-ptq")
    assert isinstance(graph.module, torch.fx.GraphModule)
    hidden = dataclasses.replace(graph, module=_Hidden(graph))
    assert graph_costs(graph) == graph_costs(hidden)
    assert len(graph_costs(graph).ops) > 10
