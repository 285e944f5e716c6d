from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.data.faces import Faces
from fer_deploy.model import Model
from fer_deploy.quantize.graph import batches, scales_of
from fixtures.lowered import GraphOf


@given(count=st.integers(1, 40), size=st.integers(1, 50))
def test_batches_are_all_images_in_order(count: int, size: int) -> None:
    pixels = np.arange(count * 4, dtype=np.int64).reshape(count, 1, 2, 2).astype(np.uint8)
    parts = list(batches(pixels, size, "testing"))
    assert all(
        1 <= len(part) <= size and part.dtype == np.float32 and part.flags.c_contiguous for part in parts
    )
    assert np.array_equal(np.concatenate(parts), pixels)
    assert len(parts) == -(-count // size)


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
def test_batch_size_does_not_change_logits(graph_of: GraphOf, test_faces: Faces, recipe: str) -> None:
    graph = graph_of(recipe)
    together = graph.logits(test_faces.pixels[:9], "together")
    alone = np.concatenate([graph.logits(image[None], "alone") for image in test_faces.pixels[:9]])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert together.dtype == np.float32


def test_float_graph_is_the_network_on_normalised_pixels(
    graph_of: GraphOf, trained_model: Model, test_faces: Faces
) -> None:
    spec = trained_model.contract.input
    with torch.inference_mode():
        images = (torch.from_numpy(test_faces.pixels).float() - spec.mean[0]) / spec.std[0]
        expected = trained_model.network(images).numpy()
    np.testing.assert_allclose(graph_of("float").logits(test_faces.pixels, ""), expected, atol=1e-4)


def test_scales_of_the_quantized_graph(graph_of: GraphOf) -> None:
    graph = graph_of("w8a8-ptq")
    assert graph.scales is not None
    assert isinstance(graph.module, torch.fx.GraphModule)
    assert scales_of(graph.module) == graph.scales
    pixels = graph.scales.activations[0]
    assert (pixels.scale, pixels.zero_point, pixels.qmin, pixels.qmax) == (1.0, -128, -128, 127), "exact"
    assert all(entry.scale > 0 and -128 <= entry.zero_point <= 127 for entry in graph.scales.activations)
    assert graph_of("float").scales is None


def test_export_has_the_artifacts_shape(graph_of: GraphOf) -> None:
    program = graph_of("w8a8-ptq").export()
    (name,) = program.graph_signature.user_inputs
    node = next(node for node in program.graph.nodes if node.name == name)
    assert tuple(node.meta["val"].shape) == (1, 1, 24, 24)
