"""Quantization-aware training: PTQ's ranges stay, the weights learn to live on the grid.

What makes QAT go wrong elsewhere (worse than PTQ: pytorch #114859, #111192, ao #2980) is not there to go
wrong: BatchNorm is folded before, so its statistics are frozen; activation observers are off from the
first step, their ranges being those that PTQ calibrated; weight ranges follow the weights at every step
without averaging; and what is trained is converted by the same code as PTQ's graph. Whatever comes out
is compared with PTQ on the validation split, and the better of the two is returned, saying which.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fer_deploy.data.faces import Faces
from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model
from fer_deploy.progress import say
from fer_deploy.quantize.canonical import Canonical, copy_graph
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.preflight import observers
from fer_deploy.quantize.prepare import Prepared, prepare
from fer_deploy.quantize.ptq import convert, float_graph, require_network
from fer_deploy.quantize.recipe import W8A8_PTQ, W8A8_QAT, CalibrationSet, PtqOptions
from fer_deploy.quantize.switchboard import fake_quantizers
from fer_deploy.train.distillation import Distiller
from fer_deploy.train.recipe import DistillRecipe

if TYPE_CHECKING:
    import torch

#: Accuracies count as different when images lost and gained differ by more than this many standard errors,
#: the square root of their sum: McNemar's test at 95 %. Agreement decides otherwise.
_STANDARD_ERRORS = 1.96


@dataclass(frozen=True)
class GraphScore:
    """One of the two graphs on the validation split; both are fractions."""

    accuracy: float
    agreement: float
    """Top-1 agreement with the float model."""


@dataclass(frozen=True)
class QatResult:
    """The better of the trained and the merely calibrated graph.

    Attributes:
        graph: recipe ``w8a8-qat``; its note says when it is PTQ's.
        kept: which one it is.
        reason: one sentence with the figures that decided.
        ptq, qat: both on the validation split.
        log: rows of ``LOG_COLUMNS`` of :mod:`fer_deploy.train.distillation`.
    """

    graph: Graph
    kept: Literal["ptq", "qat"]
    reason: str
    ptq: GraphScore
    qat: GraphScore
    log: list[list[float]]


def quantize_qat(
    model: Model,
    calibration: CalibrationSet,
    training: Faces,
    validation: Faces,
    work_dir: Path,
    recipe: DistillRecipe | None = None,
    options: PtqOptions | None = None,
    form: Canonical | None = None,
) -> QatResult:
    """Return the model's quantized graph, trained with the float model as teacher, if that is better than PTQ.

    Args:
        model: the float model; it is not changed.
        calibration: sets the activation ranges.
        training: images to train on; labels are not used.
        validation: decides between PTQ and QAT.
        work_dir: a run that was cut off goes on from the checkpoint in it.
        recipe: how to train.
        options: of the calibration.
        form: the model's canonical graph, where it is there already.

    Raises:
        QuantizationError: see :func:`fer_deploy.quantize.ptq.quantize_ptq`.
        TrainingError: the checkpoint is of another run, or the loss is not finite.
    """
    plan, chosen = recipe or DistillRecipe(), options or PtqOptions()
    prepared = prepare(model, calibration, chosen, form)
    ptq = convert(prepared, W8A8_PTQ, calibration)
    if prepared.fixed_batch is not None:
        raise QuantizationError(
            f"model {model.source} takes batches of {prepared.fixed_batch} only, and w8a8-qat trains on others; let "
            "its code take any batch size, or choose w8a8-ptq"
        )
    student, parameters = student_of(prepared)
    teacher = prepared.float_graph
    log = Distiller(
        student, teacher, parameters, training, plan, work_dir, _identity(model, calibration, chosen)
    ).run()
    qat = convert(trained(prepared, parameters), W8A8_QAT, calibration)
    result = _better(model, ptq, qat, validation, log)
    require_network(result.graph)
    return result


def student_of(prepared: Prepared) -> tuple[torch.fx.GraphModule, dict[str, torch.nn.Parameter]]:
    """Return the observed graph with fake-quantizers for observers, and its trainable parameters by name.

    The normalisation in front is the contract's and is not trained.
    """
    student = copy_graph(prepared.observed)
    quantizers = fake_quantizers(student)
    for node in student.graph.nodes:
        if node.op == "call_module":
            observer = student.get_submodule(str(node.target))
            if id(observer) in quantizers:  # one observer may stand at several places
                student.set_submodule(str(node.target), quantizers[id(observer)])
    used = {str(node.target) for node in student.graph.nodes if node.op == "get_attr"}
    parameters = {
        name: value
        for name, value in student.named_parameters()
        if name in used and not name.startswith("normalise.")
    }
    for name, value in student.named_parameters():
        value.requires_grad_(name in parameters)
    return student, parameters


def trained(prepared: Prepared, parameters: dict[str, torch.nn.Parameter]) -> Prepared:
    """Return ``prepared`` with trained weights and with weight observers that saw these, and only these."""
    import torch

    observed = copy_graph(prepared.observed)
    float_graph_ = copy_graph(prepared.float_graph)
    with torch.no_grad():
        for name, value in parameters.items():
            observed.get_parameter(name).copy_(value)
            float_graph_.get_parameter(name).copy_(value)
        for node, observer in observers(observed):
            if node.op == "get_attr":
                observer.reset_min_max_vals()
                observer(observed.get_parameter(str(node.target)))
    return dataclasses.replace(prepared, float_graph=float_graph_, observed=observed)


def _identity(model: Model, calibration: CalibrationSet, options: PtqOptions) -> str:
    """Return what makes a checkpoint usable: the same model, calibration and options."""
    rows = hashlib.sha256(calibration.faces.rows.tobytes()).hexdigest()
    contract = model.contract.sha256
    return (
        f"qat {model.weights_sha256} {contract} {calibration.faces.name} {rows} {options.model_dump_json()}"
    )


def _better(model: Model, ptq: Graph, qat: Graph, validation: Faces, log: list[list[float]]) -> QatResult:
    """Choose by accuracy where the two differ significantly, by agreement with float otherwise."""
    reference = float_graph(model).logits(validation.pixels, "validating float").argmax(axis=1)
    answers = [graph.logits(validation.pixels, "validating int8").argmax(axis=1) for graph in (ptq, qat)]
    candidates = [
        GraphScore(float((one == validation.targets).mean()), float((one == reference).mean()))
        for one in answers
    ]
    before, after = candidates
    right = [one == validation.targets for one in answers]
    lost, gained = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    if abs(gained - lost) > _STANDARD_ERRORS * math.sqrt(lost + gained):
        won, by = after.accuracy > before.accuracy, "accuracy, significantly different"
    else:
        won, by = after.agreement > before.agreement, "agreement with float, the accuracies being equal"
    figures = (
        f"accuracy {after.accuracy:.2%} after training and {before.accuracy:.2%} by calibration alone, "
        f"agreement {after.agreement:.2%} and {before.agreement:.2%}"
    )
    kept: Literal["ptq", "qat"] = "qat" if won else "ptq"
    reason = f"{kept.upper()} was kept by {by}: on {validation.name}, {figures}"
    say(reason)
    graph = dataclasses.replace(qat if won else ptq, recipe=W8A8_QAT, note=reason)
    return QatResult(graph, kept, reason, before, after, log)
