"""What the Arm backend is given is the shared graph to the bit, but for how it is written."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.quantize.graph import run_module
from fer_deploy.targets.executorch import ethos_u
from fer_deploy.targets.executorch.ethos_u_graph import for_arm
from fixtures.lowered import GraphOf


@pytest.mark.skipif(ethos_u.obstacle("tosa_serializer") is not None, reason=str(ethos_u.obstacle()))
def test_for_arm(graph_of: GraphOf, test_faces: Faces) -> None:
    import torch

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
