"""Networks that answer to the face without having been trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from conformance.registry import Change, Make


def lively(make: Make, after: Change | None, faces: Tensor, seed: int = 0) -> nn.Module:
    """Return a network in evaluation mode whose logits depend on the face, as a trained one's do.

    At initialisation they hardly do. Here every BatchNorm gets the statistics of ``faces`` and random weights,
    ``after`` is applied, and the layer that runs last is scaled so that what it gives spreads by about one around a
    mean of about zero.

    Args:
        make: returns the network with freshly drawn weights.
        after: changes it when the statistics are there.
        faces: normalised float32 (N, C, H, W).
        seed: of all random numbers.
    """
    torch.manual_seed(seed)
    network = make()
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.affine:
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.momentum = None  # cumulative: the statistics of all faces
    with torch.no_grad():
        network.train()
        network(faces)
        if after is not None:
            after(network)
            for layer in network.modules():
                if isinstance(layer, nn.modules.batchnorm._NormBase):
                    layer.reset_running_stats()
            network(faces)
        _scale_last(network.eval(), faces)
    return network


def _scale_last(network: nn.Module, faces: Tensor) -> None:
    ran: list[tuple[Any, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda module, _, result: ran.append((module, result)))
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    network(faces)
    for hook in hooks:
        hook.remove()
    if not ran:
        return
    layer, result = ran[-1]
    means = result.float().flatten(2).mean(2) if result.ndim > 2 else result.float()
    spread = float(means.std(0).mean())
    if not 1e-12 < spread < 1e12:
        return
    layer.weight /= spread
    if layer.bias is not None:
        centre = (means.mean(0) - layer.bias) / spread
        layer.bias.copy_(0.3 * torch.randn_like(layer.bias) - centre)
