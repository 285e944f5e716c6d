"""Does the data fit the model? Catches a wrong mean or std, and shuffled labels, before anything is quantized."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model
from fer_deploy.quantize.canonical import Traced, exported_graph
from fer_deploy.quantize.layers import layer_name
from fer_deploy.quantize.ptq import float_graph

#: Largest mean shift, in running standard deviations, and largest ratio of standard deviations that a first
#: BatchNorm may show. ``benchmarks/preflight_margins.py`` prints what right and wrong contracts give on fer_s.
MAX_SHIFT = 0.5
MAX_RATIO = 1.5
#: Standard errors above chance that a model must be; chance alone gets there once in 3.5 million times.
_SIGMAS = 5.0
_IMAGES = 256


@dataclass(frozen=True)
class StatisticsFit:
    """What the first BatchNorm sees, against what it saw in training; means over its channels.

    Attributes:
        layer: its name.
        shift: distance of the means, in running standard deviations.
        ratio: how many times larger or smaller the standard deviations are, above or equal to 1.
    """

    layer: str
    shift: float
    ratio: float


class _FirstNormSeen(Exception):
    """The rest of the network does not matter."""


def check_fit(model: Model, faces: Faces, traced: Traced | None = None) -> None:
    """Check the model against labelled faces, preprocessed as its contract says.

    ``traced`` is what :func:`exported_graph` returned for the model, where it is there already.

    Raises:
        QuantizationError: the first BatchNorm sees other values than in training, or the model's answers
            agree with the labels no better than chance.
    """
    fit = statistics_fit(model, faces, traced)
    if fit is not None and (fit.shift > MAX_SHIFT or fit.ratio > MAX_RATIO):
        raise QuantizationError(
            f"layer {fit.layer}: on {faces.name} its inputs lie {fit.shift:.2f} standard deviations from those "
            f"it was trained on and spread {fit.ratio:.2f} times as differently (allowed: {MAX_SHIFT} and "
            f"{MAX_RATIO}); the contract's mean, std or colour order is not what the model was trained with"
        )
    check_labels(model, faces)


def statistics_fit(model: Model, faces: Faces, traced: Traced | None = None) -> StatisticsFit | None:
    """Return how the first BatchNorm's inputs on ``faces`` compare with its running statistics.

    None when the model has no BatchNorm in evaluation mode, e.g. because it is folded already.
    """
    import torch

    graph, fixed = traced or exported_graph(model)
    norm = next(
        (node for node in graph.graph.nodes if node.target == torch.ops.aten.batch_norm.default), None
    )
    if norm is None or norm.args[5] is True:
        return None
    found: dict[str, Any] = {}

    class Recorder(torch.fx.Interpreter):
        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            if target == torch.ops.aten.batch_norm.default:
                found["input"], found["mean"], found["variance"] = args[0], args[3], args[4]
                raise _FirstNormSeen
            return super().call_function(target, args, kwargs)

    pixels = faces.pixels[: fixed or _IMAGES].astype(np.float32)
    recorder = Recorder(graph)
    recorder.extra_traceback = False  # of what ends it
    with torch.no_grad(), contextlib.suppress(_FirstNormSeen):
        recorder.run(torch.from_numpy(pixels))
    axes = [axis for axis in range(found["input"].ndim) if axis != 1]
    mean, variance = found["input"].mean(axes), found["input"].var(axes)
    alive = (variance > 0) & (found["variance"] > 0)
    if not bool(alive.any()):
        return StatisticsFit(layer_name(norm), 0.0, math.inf)
    shift = (mean - found["mean"]).abs() / found["variance"].sqrt()
    spread = 0.5 * (variance / found["variance"]).log().abs()
    return StatisticsFit(layer_name(norm), float(shift[alive].mean()), math.exp(float(spread[alive].mean())))


def check_labels(model: Model, faces: Faces) -> None:
    """Raise QuantizationError when the model's answers agree with the labels no better than chance.

    Chance is what answering in the same proportions without looking at the image would give.
    """
    predicted = _answers(model, faces)
    agreement = float((predicted == faces.targets).mean())
    classes = len(faces.labels)
    said = np.bincount(predicted, minlength=classes) / len(predicted)
    true = np.bincount(faces.targets, minlength=classes) / len(faces)
    chance = float((said * true).sum())
    error = math.sqrt(max(chance * (1 - chance), 1e-9) / len(faces))
    if agreement <= chance + _SIGMAS * error:
        raise QuantizationError(
            f"the model agrees with the labels of {faces.name} on {agreement:.1%} of {len(faces)} images, no "
            f"better than chance ({chance:.1%}); the labels are shuffled or in another order than the "
            "contract's, or the model is not trained"
        )


def _answers(model: Model, faces: Faces) -> NDArray[np.int64]:
    logits = float_graph(model).logits(faces.pixels, "checking the labels")
    answers: NDArray[np.int64] = logits.argmax(axis=1)
    return answers
