"""ExecuTorch's own XNNPACKQuantizer through PT2E, as its documentation shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Export, observe, convert, lower."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    example = (torch.from_numpy(images[:1]),)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(network, example).module(), quantizer)
    for image in images:
        prepared(torch.from_numpy(image[None]))
    converted = convert_pt2e(prepared)
    program = to_edge_transform_and_lower(
        torch.export.export(converted, example), partitioner=[XnnpackPartitioner()]
    )
    output.write_bytes(program.to_executorch().buffer)
