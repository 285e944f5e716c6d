"""The shared graph in exact arithmetic: torch's float32 is beside it, and what it says of half-way cases."""

from __future__ import annotations

import numpy as np

from fer_deploy.data.faces import Faces
from fer_deploy.targets.executorch.ethos_u_exact import exact_logits, in_words, steps_apart
from fixtures.lowered import GraphOf


def test_beside_float32(graph_of: GraphOf, test_faces: Faces) -> None:
    graph, pixels = graph_of("w8a8-ptq"), test_faces.pixels[:40]
    assert graph.scales is not None
    step = graph.scales.activations[-1].scale
    exact = exact_logits(graph, pixels)
    near = steps_apart(graph.logits(pixels, "torch"), exact, step)
    assert max(near) <= 1
    assert near[0] > 0.9 * exact.size
    integers = exact / step
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)


def test_steps_apart() -> None:
    wanted = np.array([[0.0, 0.5, 1.0, -0.5]])
    apart = steps_apart(np.array([[0.0, 0.5, 0.5, 0.5]], np.float32), wanted, 0.5)
    assert apart == {0: 2, 1: 1, 2: 1}
    assert in_words(apart, 1) == (
        "2 of 4 logits of 1 images are the shared graph's in exact arithmetic; in output steps: 1 1 off; 1 2 off"
    )
    assert in_words({0: 4}, 1).endswith("in exact arithmetic")
