"""Every step on the way to a quantized graph proves itself: a fault planted in any one of them stops the job."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from fer_deploy.errors import LossError, ModelError, ProofError
from fer_deploy.model import Model
from fer_deploy.quantize import canonical as canonical_module
from fer_deploy.quantize import prepare as prepare_module
from fer_deploy.quantize import ptq as ptq_module
from fer_deploy.quantize.canonical import REWRITES, Canonical, canonical, copy_graph, exported_graph
from fer_deploy.quantize.layers import attribute, weighted_layers
from fer_deploy.quantize.prepare import calibration_evidence
from fer_deploy.quantize.proof import EXACT_DB, sqnr_of, within_rounding
from fer_deploy.quantize.ptq import quantize_ptq
from fer_deploy.quantize.recipe import PtqOptions, choose_calibration
from fixtures.synthetic import contract_for, input_spec, separable_faces

CALIBRATION = choose_calibration(separable_faces(160, 0), 64)


class Everything(nn.Module):
    """Something for each rewrite to do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding="same")
        self.norm = nn.BatchNorm2d(8)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.scaled = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1))
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Linear(96, 8)
        self.slope = nn.PReLU()
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.norm(self.stem(x))), 2)
        x = torch.relu(self.shared(torch.relu(self.shared(x))) + 0.3)
        x = F.pad(self.drop(self.scaled(x)).clamp(min=-2.0), (-1, 0, 0, 0))
        x = torch.slice_scatter(x, x[:, 1:4], 1, 0, 3)
        channels = F.adaptive_avg_pool2d(x, 3).flatten(2)
        mixed = F.scaled_dot_product_attention(channels, channels, channels)
        x = torch.cat([channels.flatten(1), mixed.mean(2), x.mean((2, 3)), x.amax((2, 3))], 1)
        y: Tensor = self.head(self.slope(self.hidden(x)))
        return y


def lively(network: nn.Module) -> Model:
    """Return a model whose logits depend on the face: statistics from faces, a last layer of unit spread."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.momentum = None
    spec = input_spec()
    pixels = torch.from_numpy(CALIBRATION.faces.pixels.astype(np.float32))
    faces = (pixels - spec.mean[0]) / spec.std[0]
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        network.train()(faces)
        last.weight.div_(network.eval()(faces).std(0).mean())
        last.bias.sub_(network(faces).mean(0))
    return Model("lively", "lively", network.eval(), contract_for(spec), "0" * 64)


@pytest.fixture(scope="module")
def model() -> Model:
    return lively(Everything())


@pytest.fixture(scope="module")
def form(model: Model) -> Canonical:
    return canonical(model, calibration_evidence(model, CALIBRATION))


# --- faults that a step may have, each on a graph ------------------------------------------------------


def layers_of(graph: torch.fx.GraphModule) -> list[torch.fx.Node]:
    """Return the stored weighted layers behind the normalisation."""
    return [node for node in weighted_layers(graph) if node.args[1].op == "get_attr"][1:]  # type: ignore[union-attr]


def transposed_weight(graph: torch.fx.GraphModule) -> None:
    for node in layers_of(graph):
        weight = attribute(graph, str(node.args[1].target))  # type: ignore[union-attr]
        if weight.ndim == 4 and weight.shape[2] == weight.shape[3] == 3:
            with torch.no_grad():
                weight.copy_(weight.transpose(2, 3).clone())
            return


def lost_bias(graph: torch.fx.GraphModule) -> None:
    node = next(node for node in layers_of(graph) if len(node.args) > 2 and node.args[2] is not None)
    with torch.no_grad():
        attribute(graph, str(node.args[2].target)).zero_()  # type: ignore[union-attr]


def dropped_activation(graph: torch.fx.GraphModule) -> None:
    node = next(node for node in graph.graph.nodes if node.target == torch.ops.aten.relu.default)
    node.replace_all_uses_with(node.args[0])
    graph.graph.erase_node(node)
    graph.recompile()


def swapped_axis(graph: torch.fx.GraphModule) -> None:
    node = next(node for node in graph.graph.nodes if node.target == torch.ops.aten.max_pool2d.default)
    with graph.graph.inserting_after(node):
        swapped = graph.graph.call_function(torch.ops.aten.transpose.int, (node, 2, 3))
    node.replace_all_uses_with(swapped, delete_user_cb=lambda user: user is not swapped)
    graph.recompile()


FAULTS = (transposed_weight, lost_bias, dropped_activation, swapped_axis)


# --- steps ---------------------------------------------------------------------------------------------


def test_every_step_that_did_something_left_its_proof(form: Canonical) -> None:
    assert [proof.step for proof in form.proofs] == ["torch.export", *(step for step, _ in REWRITES)]
    assert all(proof.contract == "exact" and proof.agreement == 1.0 for proof in form.proofs)
    assert all(proof.sqnr_db is None or proof.sqnr_db > EXACT_DB for proof in form.proofs)


@pytest.fixture(scope="module")
def stages(model: Model) -> dict[str, torch.fx.GraphModule]:
    """The model's graph as each rewrite finds it."""
    graph, _ = exported_graph(model)
    found = {}
    for step, rewrite in REWRITES:
        found[step] = graph
        graph = copy_graph(graph)
        assert rewrite(graph), f"nothing to do for {step}"
    return found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("step", "rewrite"), REWRITES, ids=[step for step, _ in REWRITES])
def test_a_faulty_rewrite_is_stopped_and_the_layer_named(
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
    form: Canonical,
    stages: dict[str, torch.fx.GraphModule],
    step: str,
    rewrite: Callable[[Any], int],
    fault: Callable[[Any], None],
) -> None:
    def faulty(graph: torch.fx.GraphModule) -> int:
        changed = rewrite(graph)
        fault(graph)
        return changed

    monkeypatch.setattr(canonical_module, "REWRITES", ((step, faulty),))
    with pytest.raises(ProofError, match=rf"^{step} changed the network: .*first apart at layer network"):
        canonical(model, form.evidence, lambda _: (stages[step], None))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_export_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
    form: Canonical,
    stages: dict[str, torch.fx.GraphModule],
    fault: Callable[[Any], None],
) -> None:
    def faulty(_: Model) -> Any:
        graph = copy_graph(stages[REWRITES[0][0]])
        fault(graph)
        return graph, None

    monkeypatch.setattr(canonical_module, "exported_graph", faulty)
    with pytest.raises(ProofError, match=r"^torch\.export changed the network"):
        canonical(model, form.evidence)


def scramble(graph: torch.fx.GraphModule) -> None:
    """Turn the sign of what the first clamp of a converted graph lets through: its weights are integers."""
    node = next(node for node in graph.graph.nodes if node.target == torch.ops.aten.relu.default)
    node.target = torch.ops.aten.neg.default
    graph.recompile()


@pytest.fixture
def one_rescue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the ways to save what int8 loses, the first alone: the others are as many quantizations more."""
    monkeypatch.setattr(ptq_module, "_RESCUES", ptq_module._RESCUES[:1])


@pytest.mark.usefixtures("one_rescue")
@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("equalize", dropped_activation),
        ("equalize", swapped_axis),
        ("prepare_pt2e", dropped_activation),
        ("prepare_pt2e", swapped_axis),
        ("convert_pt2e", scramble),
        ("snap_biases", scramble),
    ],
)
def test_a_fault_on_the_way_to_int8_is_stopped(
    monkeypatch: pytest.MonkeyPatch, model: Model, form: Canonical, where: str, fault: Callable[[Any], None]
) -> None:
    import torchao.quantization.pt2e.quantize_pt2e as pt2e

    home: Any = {"equalize": prepare_module, "snap_biases": ptq_module}.get(where, pt2e)
    step = getattr(home, where)

    def faulty(graph: torch.fx.GraphModule, *arguments: Any) -> Any:
        result = step(graph, *arguments)
        fault(result if isinstance(result, torch.fx.GraphModule) else graph)
        return result

    monkeypatch.setattr(home, where, faulty)
    names = {
        "equalize": "cross-layer equalisation",
        "prepare_pt2e": "inserting observers",
        "convert_pt2e": "int8 quantization",
        "snap_biases": "rounding biases",
    }
    with pytest.raises(ProofError, match=rf"^{names[where]}"):
        quantize_ptq(model, CALIBRATION, PtqOptions(equalization=where == "equalize"), form)


@pytest.mark.usefixtures("one_rescue")
def test_int8_under_its_floor_is_refused_with_the_layers_that_cost_most(
    monkeypatch: pytest.MonkeyPatch, model: Model, form: Canonical
) -> None:
    monkeypatch.setattr(ptq_module, "FLOOR_DB", {"w8a8": 90.0})
    with pytest.raises(
        LossError, match=r"int8 quantization leaves another network: on 32 faces .*float_layers"
    ) as caught:
        quantize_ptq(model, CALIBRATION, form=form)
    assert caught.value.costs
    assert "\n" not in str(caught.value)


def test_what_int8_loses_is_rescued_and_the_note_says_how() -> None:
    """A few large constant channels: as asked, the map's grid is too coarse for the means."""

    class Offset(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.mid = nn.Conv2d(1, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
            self.head = nn.Linear(160, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.mid(torch.relu(self.stem(x))))
            y: Tensor = self.head(torch.cat([F.adaptive_avg_pool2d(x, 3).flatten(1), x.mean((2, 3))], 1))
            return y

    torch.manual_seed(0)
    network = Offset()
    with torch.no_grad():
        network.mid.weight[:4] = 0
        assert network.mid.bias is not None
        network.mid.bias[:4] = torch.tensor([24.0, 18.0, 12.0, 6.0])
    graph = quantize_ptq(lively(network), CALIBRATION, PtqOptions(rounding="nearest"))
    assert graph.note is not None
    assert graph.note.startswith("int8 as asked was no longer the network (")
    assert graph.options is not None
    assert graph.options.bias_correction
    proof = next(one for one in graph.proofs if one.step == "int8 quantization")
    assert proof.sqnr_db is not None
    assert proof.sqnr_db >= 8


# --- is the model a function of one face? ---------------------------------------------------------------


class Noisy(Everything):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)
        return y + 0.1 * torch.randn_like(y)


class Mates(Everything):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)
        return y - y.mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("network", "says"),
    [(Noisy, r"network \(Noisy\).* is random"), (Mates, r"network \(Mates\).* depends on the other images")],
)
def test_a_random_model_and_one_that_looks_at_its_batch_are_refused(
    network: type[nn.Module], says: str
) -> None:
    torch.manual_seed(1)
    model = Model("x", "x", network().eval(), contract_for(input_spec()), "0" * 64)
    with pytest.raises(ModelError, match=says):
        canonical(model, calibration_evidence(model, CALIBRATION))


def test_a_model_that_takes_one_image_only_is_exported_for_one(form: Canonical) -> None:
    class One(Everything):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = super().forward(x.view(1, 1, 24, 24))
            return y

    model = dataclasses.replace(lively(Everything()), network=One().eval())
    single = canonical(model, calibration_evidence(model, CALIBRATION))
    assert (single.fixed_batch, form.fixed_batch) == (1, None)


# --- the measure itself -----------------------------------------------------------------------------------

LOGITS = arrays.arrays(np.float32, (6, 4), elements=st.floats(-8, 8, width=32))


@given(LOGITS, st.floats(2**-10, 2**10))
def test_sqnr_depends_on_no_scale_and_on_no_common_offset(logits: np.ndarray, scale: float) -> None:
    noisy = logits + np.float32(0.25) * np.sign(np.arange(24).reshape(6, 4) % 2 - 0.5).astype(np.float32)
    plain = sqnr_of(logits, noisy)
    scaled = sqnr_of((scale * logits).astype(np.float32), (scale * noisy).astype(np.float32))
    if np.isfinite(plain) and np.ptp(logits, axis=0).max() > 0.1:
        assert scaled == pytest.approx(plain, abs=0.1)


@given(LOGITS)
def test_rounding_passes_and_a_shift_of_one_logit_does_not(logits: np.ndarray) -> None:
    assert within_rounding(logits, np.nextafter(logits, np.float32(np.inf)), EXACT_DB)
    wrong = logits.copy()
    wrong[0, 0] += 1 + abs(wrong[0, 0])
    assert not within_rounding(logits, wrong, EXACT_DB)
    assert not within_rounding(logits, np.full_like(logits, np.nan), EXACT_DB)
