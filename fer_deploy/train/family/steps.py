"""A training's steps: one as a CUDA graph, SGD with averaged weights that a graph can hold, and how many."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from fer_deploy.train.family.data import Order

#: Steps before the capture: cuDNN chooses its algorithms, and lazy state is made.
_WARM_STEPS = 3


def captured(step: Callable[[], None], device: torch.device) -> Callable[[], object]:
    """Return a callable that does what ``step`` does.

    On a GPU ``step`` runs three times and is then captured: it may not wait for the device, copy from the host, or
    draw from another generator than the device's default one; what changes between steps it reads from tensors.
    """
    if device.type != "cuda":
        return step
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def side_by_side(parts: Sequence[Callable[[], None]], streams: Sequence[torch.cuda.Stream]) -> None:
    """Run ``parts``, each on one of ``streams`` in turn; one after another where there are none."""
    if not streams:
        for part in parts:
            part()
        return
    main = torch.cuda.current_stream()
    for stream in streams:
        stream.wait_stream(main)
    for index, part in enumerate(parts):
        with torch.cuda.stream(streams[index % len(streams)]):
            part()
    for stream in streams:
        main.wait_stream(stream)


def wait(device: torch.device) -> None:
    """Wait for everything that was asked of ``device``."""
    if device.type == "cuda":
        torch.cuda.synchronize()


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

    @torch.no_grad()
    def blend(self, start: Mapping[str, Tensor], share: float, rows: int) -> None:
        """Move the averaged values back towards ``start``, by ``share`` of the way.

        Args:
            start: by name, the state that the network went on from.
            share: 0..1.
            rows: of the classifier, that the start had; further ones stay as they are.
        """
        for name, average in zip(self._names, self._average, strict=True):
            told = average[:rows] if name.startswith("classifier.") else average
            told.lerp_(start[name][: len(told)].to(told.device), share)

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


Say = Callable[[str], None]
#: Steps that are timed before the length of a run under a time limit is fixed.
_PROBE = 60
#: Part of the time that the steps may plan with; the rest goes to evaluation and saving.
_USABLE = 0.96
#: Steps between two waits for the device, so that the host's clock follows it.
_WAIT_EVERY = 50


def cosine(progress: float, warmup: float) -> float:
    """Return the factor of the learning rate at ``progress`` 0..1: a linear warm-up, then a cosine to zero."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def following(step: int, decay: float) -> float:
    """Return by how much the average follows at ``step``: faster at first, to forget the random start."""
    return max(1 - decay, 9 / (10 + step))


def train(
    step: Callable[[], object],
    order: Order,
    epochs: int,
    seconds: float | None,
    before_step: Callable[[int, float], None],
    after_epoch: Callable[[int], None],
    say: Say,
) -> float:
    """Repeat ``step`` for ``epochs``, or for as many as fit into ``seconds``; return how many it were.

    Args:
        step: one training step on the batch ``order.index``.
        order: of the batches.
        epochs: at most.
        seconds: time for all steps, measured on the first ones; None for no limit. The schedule then ends earlier.
        before_step: called with the number of the step and the progress, 0..1.
        after_epoch: called with the number of complete epochs.
        say: takes lines for the log.
    """
    device = order.index.device
    total, done, began = epochs * order.steps, 0, time.monotonic()
    wait(device)
    while done < total:
        order.advance()
        before_step(done, done / total)
        step()
        done += 1
        if done % _WAIT_EVERY == 0:
            wait(device)
        if done == _PROBE and seconds is not None:
            wait(device)
            each = (time.monotonic() - began) / _PROBE
            total = max(done, min(total, int(seconds * _USABLE / each)))
            say(f"  {each * 1000:.2f} ms a step: {total} steps, {total / order.steps:.1f} epochs")
        if order.ends_epoch():
            after_epoch(order.epoch)
    wait(device)
    return done / order.steps
