"""SGD with averaged weights, as operations on the device only: a CUDA graph can hold a whole step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class AveragedSgd:
    """Nesterov SGD, and the exponential moving average of weights and BatchNorm statistics.

    The learning rate and the average's step are tensors, so that they change between two replays of one graph.
    Weight decay is on parameters of more than one axis: not on BatchNorm, not on biases.
    """

    def __init__(self, network: nn.Module, weight_decay: float, momentum: float) -> None:
        self.network, self.momentum, self.weight_decay = network, momentum, weight_decay
        self._names = [name for name, _ in network.named_parameters()]
        self._trained = list(network.parameters())
        self._decayed = [index for index, value in enumerate(self._trained) if value.ndim > 1]
        self._speed = [torch.zeros_like(value) for value in self._trained]
        statistics = {name: value for name, value in network.named_buffers() if value.is_floating_point()}
        self._names += list(statistics)
        self._state = [value.detach() for value in self._trained] + list(statistics.values())
        self._average = [value.clone() for value in self._state]
        device = self._trained[0].device
        self.rate = torch.zeros((), device=device)
        self.follow = torch.ones((), device=device)

    def step(self, loss: Tensor) -> None:
        """Go one step down the gradient of ``loss``, and move the average."""
        gradients = list(torch.autograd.grad(loss, self._trained))
        with torch.no_grad():
            weights = self._state[: len(self._trained)]
            decayed = torch._foreach_add(
                [gradients[index] for index in self._decayed],
                [weights[index] for index in self._decayed],
                alpha=self.weight_decay,
            )
            for index, value in zip(self._decayed, decayed, strict=True):
                gradients[index] = value
            torch._foreach_mul_(self._speed, self.momentum)
            torch._foreach_add_(self._speed, gradients)
            change = torch._foreach_add(gradients, self._speed, alpha=self.momentum)
            torch._foreach_mul_(change, self.rate)
            torch._foreach_sub_(weights, change)
            distance = torch._foreach_sub(self._state, self._average)
            torch._foreach_mul_(distance, self.follow)
            torch._foreach_add_(self._average, distance)

    def averaged(self) -> dict[str, Tensor]:
        """Return a copy of the network's state with the averaged values, on the CPU."""
        state = dict(self.network.state_dict()) | dict(zip(self._names, self._average, strict=True))
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}

    @torch.no_grad()
    def keep_average(self) -> None:
        """Put the averaged values into the network for good."""
        for mine, average in zip(self._state, self._average, strict=True):
            mine.copy_(average)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[nn.Module]:
        """Yield the network in evaluation mode with the averaged values; the trained ones are put back after."""
        trained = [value.clone() for value in self._state]
        self.keep_average()
        self.network.eval()
        try:
            yield self.network
        finally:
            with torch.no_grad():
                for mine, value in zip(self._state, trained, strict=True):
                    mine.copy_(value)
            self.network.train()
