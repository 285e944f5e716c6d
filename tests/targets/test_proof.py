"""A lowering proves itself: a target that writes another network is stopped, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from fer_deploy.cli import main
from fer_deploy.errors import ArtifactError, ProofError, TargetError
from fer_deploy.quantize.canonical import copy_graph
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import attribute, weighted_layers
from fer_deploy.quantize.proof import Proof
from fer_deploy.targets import base
from fer_deploy.targets.artifact import write_artifact
from fer_deploy.targets.onnx import proof as onnx_proof
from fer_deploy.targets.registry import TARGET_NAMES, get_target
from fixtures.job import Job
from fixtures.lowered import Lower, require_runtime


@pytest.fixture(scope="module")
def graphs(small_graphs: dict[str, Graph]) -> dict[str, Graph]:
    """Of a small net: to find a layer is to lower parts of it."""
    return small_graphs


def without_clamps(graph: Graph) -> Graph:
    """A graph whose third clamp lets everything through, as a lowering might leave one out."""
    assert isinstance(graph.module, torch.fx.GraphModule)
    module = copy_graph(graph.module)
    node = [node for node in module.graph.nodes if "hardtanh" in str(node.target)][2]
    node.replace_all_uses_with(node.args[0])
    module.graph.erase_node(node)
    module.recompile()
    return dataclasses.replace(graph, module=module)


def a_third_of_the_range(graph: Graph) -> Graph:
    """A graph whose third clamped value is held on a grid of a third of its range, and saturates there."""
    assert isinstance(graph.module, torch.fx.GraphModule)
    module = copy_graph(graph.module)
    node = [node for node in module.graph.nodes if "hardtanh" in str(node.target)][2]
    quantize = next(iter(node.users))
    assert "quantize_per_tensor" in str(quantize.target)
    for step in (quantize, *quantize.users):
        step.update_arg(1, float(step.args[1]) / 3)
    module.recompile()
    return dataclasses.replace(graph, module=module)


def other_weights(graph: Graph) -> Graph:
    """A graph whose fourth layer has its output channels in another order."""
    assert isinstance(graph.module, torch.fx.GraphModule)
    module = copy_graph(graph.module)
    source: Any = weighted_layers(module)[4].args[1]
    weight = attribute(module, str((source if source.op == "get_attr" else source.args[0]).target))
    with torch.no_grad():
        weight.copy_(weight.flip(0).clone())
    return dataclasses.replace(graph, module=module)


#: Finding the layer lowers the graph half a dozen times: a few here, the others by the marker ``slow``.
_QUICK = (
    ("onnx", "float", without_clamps),
    ("onnx", "w8a8-ptq", other_weights),
    ("coreml", "float", other_weights),
)


@pytest.mark.parametrize(
    ("name", "recipe", "fault"),
    [
        pytest.param(*one, marks=() if one in _QUICK else pytest.mark.slow)
        for one in (
            *itertools.product(TARGET_NAMES, ("float",), (without_clamps, other_weights)),
            # Not without a clamp: where the grid's ends are the clamp's or within, it is implied, and no fault.
            *itertools.product(TARGET_NAMES, ("w8a8-ptq",), (a_third_of_the_range, other_weights)),
        )
    ],
)
def test_a_faulty_lowering_is_stopped_at_its_layer(
    monkeypatch: pytest.MonkeyPatch,
    graphs: dict[str, Graph],
    tmp_path: Path,
    name: str,
    recipe: str,
    fault: Callable[[Graph], Graph],
) -> None:
    require_runtime(name)
    target = get_target(name)
    lower = target.lower

    def faulty(graph: Graph, folder: Path) -> base.Lowered:
        try:
            return lower(fault(graph), folder)
        except IndexError:  # a part of the graph that ends before the fault
            return lower(graph, folder)

    monkeypatch.setattr(target, "lower", faulty)
    says = rf"^lowering {name}-{recipe} .*(first apart at|first to part from the shared graph is) layer network\."
    with pytest.raises(ProofError, match=says):
        write_artifact(target, graphs[recipe], tmp_path / "a", "edges", "0" * 64)
    assert not list(tmp_path.rglob("*"))


def test_a_file_that_its_runtime_refuses_is_not_left(
    monkeypatch: pytest.MonkeyPatch, graphs: dict[str, Graph], tmp_path: Path
) -> None:
    target = get_target("onnx")

    def refuses(file: Path, threads: int) -> base.Session:  # noqa: ARG001 - the target's signature
        raise ArtifactError(f"{file} is not a model that ONNX Runtime can load")

    monkeypatch.setattr(target, "open", refuses)
    with pytest.raises(
        TargetError, match=r"does not run the float artifact.*: model\.onnx is not.*; write the layer"
    ):
        write_artifact(target, graphs["float"], tmp_path / "a", "edges", "0" * 64)
    assert not list(tmp_path.rglob("*"))


def zeroed_scale(graph: onnx.GraphProto) -> int:
    node = next(node for node in graph.node if node.op_type == "Conv")
    for item in graph.initializer:
        if item.name == node.input[-1]:
            values: NDArray[np.float32] = onnx.numpy_helper.to_array(item) + np.float32(0.5)
            item.CopyFrom(onnx.numpy_helper.from_array(values, item.name))
    return 1


@pytest.fixture(scope="module")
def exported(
    graphs: dict[str, Graph], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, onnx.ModelProto]:
    """The ONNX files as the passes find them."""
    found: dict[str, onnx.ModelProto] = {}
    for recipe, graph in graphs.items():

        def keep(model: onnx.ModelProto, _: Graph, signed: bool, recipe: str = recipe) -> tuple[Proof, ...]:
            assert not signed
            found[recipe] = model
            raise ProofError("stopped here")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(onnx_proof, "run_passes", keep)
            with pytest.raises(ProofError, match="stopped here"):
                get_target("onnx").lower(graph, tmp_path_factory.mktemp("exported"))
    return found


def plant(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let one of the passes change a bias besides."""

    def planted(name: str, run: Callable[[onnx.GraphProto], int]) -> Callable[[onnx.GraphProto], int]:
        return (lambda graph: run(graph) + zeroed_scale(graph)) if name == step else run

    faulty = tuple((name, planted(name, run)) for name, run in onnx_proof.PASSES)
    monkeypatch.setattr(onnx_proof, "PASSES", faulty)


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
@pytest.mark.parametrize("step", [name for name, _ in onnx_proof.PASSES])
def test_a_faulty_pass_over_an_onnx_file_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
    graphs: dict[str, Graph],
    exported: dict[str, onnx.ModelProto],
    step: str,
    recipe: str,
) -> None:
    plant(monkeypatch, step)
    model = onnx.ModelProto()
    model.CopyFrom(exported[recipe])
    with pytest.raises(
        ProofError, match=rf"^ONNX pass '{step}' changed the network: .*first apart at value '"
    ):
        onnx_proof.run_passes(model, graphs[recipe])


def test_a_faulty_pass_leaves_no_onnx_file(
    monkeypatch: pytest.MonkeyPatch, graphs: dict[str, Graph], tmp_path: Path
) -> None:
    step, _ = onnx_proof.PASSES[-1]
    plant(monkeypatch, step)
    with pytest.raises(ProofError, match=rf"^ONNX pass '{step}' changed the network"):
        write_artifact(get_target("onnx"), graphs["float"], tmp_path / "a", "edges", "0" * 64)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_an_artifact_carries_the_proof_of_every_step(lowered: Lower, name: str) -> None:
    info = lowered(name, "w8a8-ptq")[0].info
    steps = [proof.step for proof in info.proofs]
    assert steps[0] == "torch.export"
    assert steps[-1] == f"lowering {name}-w8a8-ptq"
    assert {
        "folding BatchNorm",
        "inserting observers",
        "int8 quantization",
        "rounding biases to int32",
    } < set(steps)
    assert all(proof.images > 0 and proof.agreement is not None for proof in info.proofs)


def test_one_target_that_fails_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path
) -> None:
    from fer_deploy.targets.executorch.target import ExecuTorchTarget

    def refuses(*_: Any) -> base.Lowered:
        raise TargetError("the tools refuse")

    monkeypatch.setattr(ExecuTorchTarget, "lower", refuses)
    arguments = ["export", "--config", str(job.config), "--output", str(tmp_path), "--recipe", "float"]
    result = CliRunner().invoke(main, [*arguments, "--target", "executorch", "--target", "onnx", "--json"])
    assert result.exit_code == 2, result.output
    made, missing = json.loads(result.stdout)
    assert (made["target"], made["proof"]["contract"]) == ("onnx", "exact")
    assert missing["target"] == "executorch"
    assert "the tools refuse" in missing["missing"]
    assert "1 of 2 artifacts were not made: executorch-float" in result.stderr
    assert [path.name for path in tmp_path.glob("*/[!.]*")] == ["onnx-float"]
