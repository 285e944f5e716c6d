"""Known mistakes, tried out: which of them would explain what was measured?

Each hypothesis is acted out on the float model with a few test images. Nothing here changes a verdict; it only
names the cause where one fits so well that nothing else is likely.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces
from fer_deploy.measure.statistics import mcnemar_exact
from fer_deploy.quantize.graph import Graph

Logits = NDArray[np.float32]
#: Images on which hypotheses are tried: enough that an agreement of 95 % is not chance, few enough for a second.
_IMAGES = 128
#: Images that run at once: their activations stay in a processor's cache.
_BATCH = 32
#: An artifact that agrees with the float model on more images than this is not worth a hypothesis.
_GOOD_AGREEMENT = 0.95
#: A hypothesis explains an artifact when the float model under it agrees with the artifact this often, and when this
#: share of the squared distance between their logits is gone. A choice: quantization noise alone is far below 10 %
#: of what a wrong input does, and two artifacts that collapse to one class agree without any common cause.
_EXPLAINS = 0.9
#: A hypothesis explains a poor float model when it is right this much more often than as it is (fraction), and
#: McNemar's test rules out chance.
_GAIN = 0.1
_P = 1e-4
_IMAGENET_MEAN = np.array((123.675, 116.28, 103.53))
_IMAGENET_STD = np.array((58.395, 57.12, 57.375))


def explain_artifact(plain: Graph, reference: Logits, answers: Logits, faces: Faces) -> str | None:
    """Return the mistake under which the float model answers like the artifact, or None.

    Args:
        plain: the float graph.
        reference: its logits (N, K) on ``faces``.
        answers: the artifact's logits (N, K) on them.
        faces: the test images.
    """
    chosen = _some(len(faces))
    theirs, ours = answers[chosen].argmax(1), reference[chosen].argmax(1)
    agreement = float((theirs == ours).mean())
    if agreement >= _GOOD_AGREEMENT:
        return None
    wanted = answers[chosen].astype(np.float64)
    distance = float(np.square(reference[chosen] - wanted).sum())
    explained, cause, best = max(
        (
            (
                1 - float(np.square(logits - wanted[: len(logits)]).sum()) / distance,
                name,
                float((logits.argmax(1) == theirs[: len(logits)]).mean()),
            )
            for name, logits in _acted(plain, faces, chosen)
        ),
        default=(0.0, "", 0.0),
    )
    permuted = _permutation(ours, theirs, faces.labels)
    if permuted is not None and permuted[0] >= _EXPLAINS and explained < _EXPLAINS:
        return f"the artifact's outputs are in another order: {permuted[1]}"
    if explained >= _EXPLAINS and best >= _EXPLAINS:
        return f"the artifact answers like the float model {cause}"
    return None


def explain_float_model(plain: Graph, faces: Faces) -> str | None:
    """Return the mistake without which the float model would do far better on ``faces``, or None."""
    chosen = _some(len(faces))
    logits = plain.logits(faces.pixels[chosen], "looking for known mistakes")
    targets = faces.targets[chosen]
    right = logits.argmax(1) == targets
    found: list[tuple[float, str]] = []
    for name, other in _acted(plain, faces, chosen):
        found.append((_gain(right, other.argmax(1) == targets), f"the model does far better {name}"))
    permuted = _permutation(targets, logits.argmax(1), faces.labels)
    if permuted is not None:
        found.append((permuted[0] - float(right.mean()), f"the labels are in another order: {permuted[1]}"))
    gain, cause = max(found, default=(0.0, ""))
    return cause if gain >= _GAIN else None


def _gain(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """Return how many more are right after, as a fraction; 0 where that may be chance."""
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    return float(after.mean() - before.mean()) if mcnemar_exact(lost, gained) < _P else 0.0


def _some(count: int) -> NDArray[np.int64]:
    """Return positions spread evenly over ``count`` images."""
    return np.unique(np.linspace(0, count - 1, min(count, _IMAGES)).astype(np.int64))


def _acted(plain: Graph, faces: Faces, chosen: NDArray[np.int64]) -> Iterator[tuple[str, Logits]]:
    """Yield each mistake's name and the float model's logits under it."""
    pixels = faces.pixels[chosen].astype(np.float64)
    for name, changed in _misread(pixels, plain.contract.input):
        yield name, _logits(plain, changed)
    if plain.fixed_batch is None:
        training = _in_training_mode(plain, pixels)
        if training is not None:
            yield "with BatchNorm left in training mode", training


def _misread(pixels: NDArray[np.float64], spec: InputSpec) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield pixels (N, C, H, W) which the graph, normalising them, sees as under another normalisation."""
    mean, std = (np.array(values).reshape(1, -1, 1, 1) for values in (spec.mean, spec.std))
    if spec.channels > 1:
        yield "with its colour channels in reverse order", pixels[:, ::-1]
    zero = np.zeros(spec.channels)
    imagenet = (_IMAGENET_MEAN, _IMAGENET_STD)
    if spec.channels == 1:
        imagenet = (_IMAGENET_MEAN.mean(keepdims=True), _IMAGENET_STD.mean(keepdims=True))
    others = {
        "without normalisation, on pixels 0..255": (zero, zero + 1),
        "with pixels scaled to 0..1 instead of by the contract's mean and std": (zero, zero + 255),
        "with pixels scaled to -1..1 instead of by the contract's mean and std": (zero + 127.5, zero + 127.5),
        "with ImageNet's mean and std instead of the contract's": imagenet,
        "with mean 0 instead of the contract's": (zero, std.reshape(-1)),
    }
    for name, (other_mean, other_std) in others.items():
        centre, width = other_mean.reshape(1, -1, 1, 1), other_std.reshape(1, -1, 1, 1)
        if not (np.allclose(centre, mean, atol=2.0) and np.allclose(width, std, rtol=0.05)):
            yield name, (pixels - centre) / width * std + mean
    yield "with pixels normalised twice", (pixels - mean) / std
    yield "on inverted pixels", 255.0 - pixels


def _logits(plain: Graph, pixels: NDArray[np.float64]) -> Logits:
    size = plain.fixed_batch or _BATCH
    whole = len(pixels) // size * size if plain.fixed_batch else len(pixels)
    return _answers(plain.module, pixels[:whole], size)


def _answers(module: Any, pixels: NDArray[np.float64], size: int) -> Logits:
    import torch

    images = np.ascontiguousarray(pixels, dtype=np.float32)
    with torch.inference_mode():
        parts = [
            module(torch.from_numpy(images[at : at + size])).numpy() for at in range(0, len(images), size)
        ]
    logits: Logits = np.concatenate(parts).astype(np.float32)
    return logits


def _in_training_mode(plain: Graph, pixels: NDArray[np.float64]) -> Logits | None:
    """Return the logits when every BatchNorm uses the statistics of the one image it sees; None without any."""
    import copy

    from torch.nn.functional import instance_norm
    from torch.nn.modules.batchnorm import _BatchNorm

    module = copy.deepcopy(plain.module)
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    if not norms:
        return None
    for part in norms:
        # What it does with one image, for each of several.
        part.forward = partial(  # type: ignore[method-assign]
            instance_norm, weight=part.weight, bias=part.bias, eps=part.eps
        )
    try:
        return _answers(module, pixels, _BATCH)
    except ValueError:  # one value per channel: such a net cannot run like this at batch 1
        return None


def _permutation(
    ours: NDArray[np.int64], theirs: NDArray[np.int64], labels: tuple[str, ...]
) -> tuple[float, str] | None:
    """Return how often ``theirs`` is ``ours`` after renaming classes one to one, and the renaming; None without any."""
    classes = len(labels)
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (ours, theirs), 1)
    seen = [index for index in range(classes) if table[index].any()]
    goals = {index: int(table[index].argmax()) for index in seen}
    moved = {index: goal for index, goal in goals.items() if index != goal}
    if len(seen) < 2 or not moved or len(set(goals.values())) < len(goals):
        return None
    listed = ", ".join(f"{labels[index]} comes out as {labels[goal]}" for index, goal in moved.items())
    return sum(int(table[index, goal]) for index, goal in goals.items()) / len(ours), listed
