"""The harness itself: it has to see what it is for."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import conformance.networks  # noqa: F401
from conformance import harness
from conformance.faces import bench
from conformance.harness import RECIPES, TARGETS, Subject, judged, normalised, sqnr
from conformance.lively import lively
from conformance.reference import without_norms
from conformance.registry import NETWORKS, Network
from fer_deploy.errors import QuantizationError

PLAIN = NETWORKS["depthwise"]


def must_answer(network: Network) -> bool:
    return "*" not in network.refused or network.or_right


def test_the_list_is_long_and_says_where_a_refusal_is_right() -> None:
    assert len(NETWORKS) >= 70
    keys = {"*", *TARGETS, *RECIPES, *(f"{target} {recipe}" for target in TARGETS for recipe in RECIPES)}
    for network in NETWORKS.values():
        assert set(network.refused) <= keys, network.name
        assert all(re.compile(text) for text in network.refused.values())
        assert network.quick is None or network.quick in keys, network.name


def test_every_network_answers_to_the_face() -> None:
    faces = normalised(bench().calibration.faces.pixels[:24])
    for network in filter(must_answer, NETWORKS.values()):
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logits = lively(network.make, network.after, faces)(faces).float()
        assert logits.shape == (len(faces), 8), network.name
        assert torch.isfinite(logits).all(), network.name
        # less behind a softmax, more where the map is summed
        assert 0.02 < float(logits.std(0).mean()) < 200, network.name


def test_logits_that_are_not_torchs_are_wrong() -> None:
    wanted = np.random.default_rng(0).normal(size=(48, 8)).astype(np.float32)
    made = Subject(PLAIN, torch.nn.Identity(), wanted, lambda: 20.0)
    for got in (wanted[:, ::-1], wanted * 1.01, wanted[:24], wanted * np.nan):
        assert judged(made, wanted, got, "float").kind == "wrong"
    assert judged(made, wanted, wanted + np.float32(1e-5), "float").kind == "right"
    noise = np.random.default_rng(1).normal(size=(48, 8)).astype(np.float32)
    assert judged(made, wanted, wanted + noise / np.float32(8), "w8a8-ptq").kind == "right"
    assert judged(made, wanted, wanted + noise / np.float32(6), "w8a8-ptq").kind == "wrong"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (QuantizationError("layer a: b is c; use d"), "refused"),
        (QuantizationError("layer a: b is c"), "wrong"),
        (QuantizationError("layer a: b is c; use d\nand e"), "wrong"),
        (KeyError("layer a: b is c; use d"), "wrong"),
    ],
)
def test_a_refusal_is_one_sentence_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def write(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(harness, "write", write)
    assert harness.check(PLAIN, ("onnx",), ("float",))["onnx", "float"].kind == kind


def test_a_refusal_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*arguments: Any) -> Any:
        output = Path(arguments[-1])
        output.mkdir(parents=True)
        (output / "model.onnx").write_bytes(b"half")
        raise QuantizationError("layer a: b is c; use d")

    monkeypatch.setattr(harness, "write", write)
    assert harness.check(PLAIN, ("onnx",), ("float",))["onnx", "float"].kind == "wrong"


@pytest.mark.parametrize(
    "name", ["shared_two_norms", "norm_and_elsewhere", "preact_resnet", "norm_twice", "tied_weights"]
)
def test_the_reference_without_norms_is_the_same_function(name: str) -> None:
    faces = normalised(bench().calibration.faces.pixels)
    network = lively(NETWORKS[name].make, NETWORKS[name].after, faces)
    dynamic = ({0: torch.export.Dim("batch", min=1, max=4096)},)
    graph: Any = torch.export.export(network, (faces[:2],), dynamic_shapes=dynamic).module()
    with torch.no_grad():
        wanted = network(faces).numpy()
        without_norms(graph)
        assert not any("batch_norm" in str(node.target) for node in graph.graph.nodes)
        assert sqnr(graph(faces).numpy(), wanted) > 100
