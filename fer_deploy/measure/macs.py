"""Multiply-accumulates of a network, counted from the shapes that really flow through it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_deploy.quantize.graph import Graph


def count_macs(graph: Graph) -> int:
    """Return the multiply-accumulates of one inference: convolutions, linear layers and matrix products.

    Counted over the exported float graph, so that foreign models count like the zoo's. Normalisation,
    one multiply-accumulate per pixel value, is included: it is part of what runs on the device.
    """
    import torch

    from fer_deploy.quiet import quiet

    with quiet():  # torch warns of its own deprecated tree specs here
        nodes = graph.export().run_decompositions().graph.nodes
    aten = torch.ops.aten
    counted = (aten.convolution.default, aten.addmm.default, aten.mm.default, aten.bmm.default)
    total = 0
    for node in nodes:
        if node.target not in counted:
            continue
        shapes = [arg.meta["val"].shape for arg in node.args if isinstance(arg, torch.fx.Node)]
        if node.target == aten.convolution.default:
            # weight (out, in/groups, kh, kw); a transposed convolution scatters from the input instead
            positions = shapes[0] if node.args[6] else node.meta["val"].shape
            per_position = math.prod(shapes[1]) if not node.args[6] else math.prod(shapes[1][1:])
            spatial = math.prod(positions[2:])
            total += per_position * spatial * (positions[1] if node.args[6] else 1)
        elif node.target == aten.addmm.default:
            total += shapes[1][0] * shapes[1][1] * shapes[2][1]
        else:
            total += math.prod(shapes[0]) * shapes[1][-1]
    return int(total)
