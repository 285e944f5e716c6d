"""A Model: a float network in evaluation mode and its Contract, and the module that is lowered from it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_deploy.contract import Contract
from fer_deploy.errors import ModelError, first_line
from fer_deploy.quiet import quiet
from fer_deploy.showing import Shown

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, repr=False)
class Model(Shown):
    """A float network in evaluation mode and its Contract.

    Attributes:
        name: of its folder, file or factory.
        network: maps normalised float32 (N, C, H, W) to logits float32 (N, K).
        source: what it was loaded from, for people.
        contract: its labels and how faces are prepared for it.
        weights_sha256: digest of the weights file.
        fixed_batch: the only batch size the network accepts, or None when any will do.
    """

    name: str
    source: str
    network: nn.Module
    contract: Contract
    weights_sha256: str
    fixed_batch: int | None = None


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable-kind values: parameters, without BatchNorm statistics."""
    return sum(parameter.numel() for parameter in network.parameters())


def deployable(model: Model) -> nn.Module:
    """Return the module that targets lower: float32 pixels 0..255 (N, C, H, W) in, logits (N, K) out.

    Normalisation is its first operation, so that no app repeats it. It is written as a 1 x 1 depthwise
    convolution, the one form that all targets delegate, quantize per channel and fuse; being ahead of
    the first padding it is exact at the borders, where folding it into the stem would not be.

    The network is a copy: quantization rounds biases in place, and the model stays the reference.
    """
    import torch
    from torch import nn

    spec = model.contract.input
    channels = spec.channels
    normalise = nn.Conv2d(channels, channels, 1, groups=channels)
    std = torch.tensor(spec.std, dtype=torch.float32)
    with torch.no_grad():
        normalise.weight.copy_((1 / std).view(channels, 1, 1, 1))
        assert normalise.bias is not None
        normalise.bias.copy_(-torch.tensor(spec.mean, dtype=torch.float32) / std)
    module = nn.Sequential()
    module.add_module("normalise", normalise)
    with quiet():  # torch warns of the LeafSpec that its own exported graphs still carry
        module.add_module("network", copy.deepcopy(model.network))
    # Not module.eval(): exported programs refuse to be switched, and were checked when loaded.
    normalise.requires_grad_(False)
    module.training = False
    normalise.training = False
    return module


def check_against_contract(model: Model) -> None:
    """Run the model once on the contract's input shape.

    Raises:
        ModelError: it does not accept that shape, or does not answer one logit per label.
    """
    import torch

    spec, labels = model.contract.input, model.contract.labels
    batch = torch.zeros((model.fixed_batch or 1, *spec.shape[1:]), dtype=torch.float32)
    try:
        with torch.inference_mode():
            logits: Tensor = model.network(batch)
    except Exception as error:  # any failure of foreign code on this input is the finding
        raise ModelError(
            f"model {model.source} does not accept its contract's input {list(batch.shape)} "
            f"({spec.color}, {spec.channels} channel(s)): {first_line(error)}; it must take one tensor of that shape: "
            "mend the contract, or wrap the module in one that makes its other inputs"
        ) from None
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (len(batch), len(labels)):
        wanted = [len(batch), len(labels)]
        raise ModelError(
            f"model {model.source} answers {described(logits)} where its contract's {len(labels)} labels need "
            f"{wanted}; {answer_remedy(logits, *wanted)}"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(
            f"model {model.source} answers non-finite logits on a plain grey image; look for a division by zero, a "
            "logarithm or weights that are not finite, or train it again"
        )


def described(answer: object) -> str:
    """Return what a network answered, in a few words: a tensor's shape, or a kind with its parts."""
    import torch

    if isinstance(answer, torch.Tensor):
        return str(list(answer.shape))
    parts = [f"{place} {described(part)}" for place, part in _parts(answer)]
    return f"a {type(answer).__name__} ({', '.join(parts)})" if parts else f"a {type(answer).__name__}"


def _parts(answer: object) -> Iterator[tuple[str, object]]:
    """Yield each part of an answer that is not one tensor, with the Python that picks it."""
    if isinstance(answer, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in answer.items())
    elif isinstance(answer, tuple | list):
        yield from ((f"[{index}]", part) for index, part in enumerate(answer))


def answer_remedy(answer: object, images: int, classes: int | None = None) -> str:
    """Return what makes an answer to so many images one row of logits for each; None: any number of classes."""
    import torch

    def fits(part: object) -> bool:
        if not isinstance(part, torch.Tensor) or part.ndim != 2 or len(part) != images:
            return False
        return part.shape[1] == classes if classes else part.shape[1] > 1

    if isinstance(answer, torch.Tensor):
        flat = answer.flatten(1) if answer.ndim > 2 else answer[None]
        if fits(flat):
            way = ".flatten(1)" if answer.ndim > 2 else "[None]"
            return f"let its forward return logits{way}: one row for each image"
        return "correct the labels or the model's last layer"
    fitting = [place for place, part in _parts(answer) if fits(part)]
    if fitting:
        return f"wrap it in a module whose forward returns network(x){fitting[0]}"
    return "wrap it in a module whose forward returns the logits alone, one tensor"
