"""Every architecture of the zoo lowers to int8 without leaving an operation outside the delegate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_deploy.model import Architecture, Model
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.registry import get_target
from fer_deploy.zoo import ARCHITECTURES
from fixtures.synthetic import LABELS, contract_for, input_spec, separable_faces

SIZE = 32
#: Quantizing and lowering takes seconds for these, most of a minute for the deep ones.
QUICK = ("fer_xs", "squeezenet", "mini_xception")
#: Half the repeats of each stage: layer by layer the same.
_DEPTHS = {"fer_xs": 0.5}


def quantized(architecture: Architecture) -> tuple[Graph, Graph]:
    """Return the float and the int8 graph of a net whose BatchNorm statistics fit its weights and images."""
    torch.manual_seed(0)
    network = architecture.build(len(LABELS), 1).train()
    faces = separable_faces(64, 0, SIZE)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # the plain mean of the batches seen
            elif isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(30)  # drawn small; logits should spread as those of a trained net
        network((torch.from_numpy(faces.pixels).float() - 128) / 64)
    model = Model(architecture.label, "drawn", network.eval(), contract_for(input_spec(SIZE)), "0" * 64)
    return float_graph(model), quantize_ptq(model, choose_calibration(faces, 32))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]
)
def test_int8_is_fully_delegated_and_answers_as_the_graph(name: str, tmp_path: Path) -> None:
    reference, graph = quantized(Architecture(name=name, width=0.35, depth=_DEPTHS.get(name, 1.0)))
    pixels = separable_faces(8, 1, SIZE).pixels
    expected, plain = graph.logits(pixels, "test"), reference.logits(pixels, "test")
    spread = float(plain.std(axis=0).max())
    assert spread > 0.01, "the net must depend on its input, or the comparison proves nothing"
    quantization = float(np.sqrt(np.square(expected - plain).mean()))
    assert quantization < spread
    for target_name in ("executorch", "onnx"):
        target = get_target(target_name)
        folder = tmp_path / target_name
        folder.mkdir()
        lowered = target.lower(graph, folder)
        assert lowered.delegation.not_delegated == {}
        assert lowered.delegation.delegated == lowered.delegation.total > 0
        session = target.open(folder / lowered.file, 1)
        logits = np.concatenate([session.run(image[None].astype(np.float32)) for image in pixels])
        # integer engines round elsewhere than the graph, which has to cost less than quantization itself
        assert float(np.sqrt(np.square(logits - expected).mean())) < quantization


def test_relu_nets_are_fully_delegated_too(tmp_path: Path) -> None:
    _, graph = quantized(
        Architecture(name="fer_xs", width=0.5, depth=0.5, expansion=2, activation="relu", stem_stride=1)
    )
    lowered = get_target("onnx").lower(graph, tmp_path)
    assert lowered.delegation.not_delegated == {}
