"""Checks of the precision that layers compute in: int8 is made of float32, and nothing of bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_deploy.errors import ModelError, QuantizationError
from fer_deploy.model import Model
from fer_deploy.quantize.layers import attribute, layer_name, weighted_operators

if TYPE_CHECKING:
    import torch


def check_precision(module: torch.fx.GraphModule) -> None:
    """Check that a canonical float graph computes in float32, which quantize operators take and dequantize ones give.

    Raises:
        QuantizationError: a layer with a weight computes in another precision.
    """
    import torch

    for node in module.graph.nodes:
        if node.target not in weighted_operators():
            continue
        for source in node.all_input_nodes:
            tensor = attribute(module, str(source.target)) if source.op == "get_attr" else None
            if (
                isinstance(tensor, torch.Tensor)
                and tensor.is_floating_point()
                and tensor.dtype != torch.float32
            ):
                raise QuantizationError(
                    f"layer {layer_name(node)} computes in {str(tensor.dtype).removeprefix('torch.')}, and int8 is "
                    "made of float32 layers; call model.float() before export, and cast no activation inside"
                )


def check_bfloat16(model: Model, module: torch.nn.Module) -> None:
    """Raise ModelError when a layer computes in bfloat16, which none of the runtimes does."""
    import torch

    for name, layer in module.named_modules():
        own = (*layer.parameters(recurse=False), *layer.buffers(recurse=False))
        if any(tensor.dtype == torch.bfloat16 for tensor in own):
            raise ModelError(
                f"model {model.source}: layer {name} ({type(layer).__name__}) has weights in bfloat16, which no "
                "runtime on a phone computes in; call model.float() before export, and cast no activation inside"
            )
