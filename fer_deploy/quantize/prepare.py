"""From a model to a graph with observers that have seen the calibration images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_deploy.model import Model
from fer_deploy.quantize.canonical import Canonical, canonical, copy_graph, evidence_of
from fer_deploy.quantize.carried import take_ranges
from fer_deploy.quantize.equalize import equalize
from fer_deploy.quantize.graph import batches, run_module
from fer_deploy.quantize.precision import check_precision
from fer_deploy.quantize.preflight import check_classes, check_observers
from fer_deploy.quantize.proof import PROOF_IMAGES, RUNTIME_DB, Evidence, Logits, Proof, prove_exact
from fer_deploy.quantize.quantizer import shared_quantizer
from fer_deploy.quantize.recipe import CalibrationSet, PtqOptions

if TYPE_CHECKING:
    import torch

_CALIBRATION_BATCH = 64
#: Pixels of the images on which a layer's statistics are taken (rounding, bias correction, equalisation): 256 images of
#: 48 x 48. All their activations of one layer are in memory at once, about 190 MB for fer_s.
_STATISTICS_PIXELS = 256 * 48 * 48
#: At least so many images, however large they are.
_LEAST_IMAGES = 16


@dataclass(frozen=True)
class Prepared:
    """A model on its way to int8.

    Attributes:
        model: what it was made of.
        options: how.
        float_graph: the canonical graph, equalised if asked; no observers.
        observed: the same graph with calibrated observers.
        evidence: what steps are proven on.
        fixed_batch: the only batch size of both graphs, or None.
        proofs: of the steps so far.
    """

    model: Model
    options: PtqOptions
    float_graph: torch.fx.GraphModule
    observed: torch.fx.GraphModule
    evidence: Evidence
    fixed_batch: int | None = None
    proofs: tuple[Proof, ...] = ()


def prepare(
    model: Model, calibration: CalibrationSet, options: PtqOptions, form: Canonical | None = None
) -> Prepared:
    """Return the model with observers calibrated, every pre-flight check passed.

    Args:
        model: what is quantized.
        calibration: sets the ranges.
        options: how.
        form: the model's canonical graph, where it is there already.

    Raises:
        ModelError: the model is not a function of one image.
        QuantizationError: the model cannot be exported, or a check of :mod:`preflight` failed.
        ProofError: a step changed the network.
    """
    check_classes(calibration.faces)
    form = form or canonical(model, calibration_evidence(model, calibration))
    check_precision(form.module)
    proofs = list(form.proofs)
    folded = copy_graph(form.module)
    if options.equalization:
        before = run_module(folded, form.evidence.pixels, form.fixed_batch)
        equalize(folded, statistics_pixels(form.fixed_batch, calibration)[: form.fixed_batch])
        proofs.append(_equalized(form, folded, before))
    observed, proven = _observed(form, folded, calibration, options)
    if calibration.carried is None:
        check_observers(observed)
    else:  # checked when they were made
        take_ranges(observed, calibration.carried.ranges)
    return Prepared(model, options, folded, observed, form.evidence, form.fixed_batch, (*proofs, proven))


def calibration_evidence(model: Model, calibration: CalibrationSet) -> Evidence:
    """Return the evidence that a calibration set's first images give; raises as :func:`evidence_of`."""
    faces = calibration.faces
    return evidence_of(model, faces.pixels[:PROOF_IMAGES], faces.name, real=not faces.drawn)


def _equalized(form: Canonical, folded: torch.fx.GraphModule, before: Logits) -> Proof:
    after = run_module(folded, form.evidence.pixels, form.fixed_batch)
    # Layers between two that were equalised are scaled, and cannot be compared.
    return prove_exact(
        "cross-layer equalisation", before, after, least_db=RUNTIME_DB, remedy="switch equalization off"
    )


def _observed(
    form: Canonical,
    folded: torch.fx.GraphModule,
    calibration: CalibrationSet,
    options: PtqOptions,
) -> tuple[torch.fx.GraphModule, Proof]:
    """Return the graph with observers that saw the calibration set, and the proof that they changed nothing."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    answers: list[Logits] = []
    pixels, size = calibration.faces.pixels, form.fixed_batch or _CALIBRATION_BATCH
    if calibration.carried is not None:
        pixels = form.evidence.pixels  # what the observers see is not asked for
    usable = pixels[: len(pixels) - len(pixels) % size] if form.fixed_batch else pixels
    with known_warnings():
        observed = prepare_pt2e(copy_graph(folded), shared_quantizer(options))
        with torch.no_grad():
            for batch in batches(usable, size, "calibrating"):
                given = observed(torch.from_numpy(batch))
                if len(answers) * size < PROOF_IMAGES:
                    answers.append(given.numpy())
    seen = np.concatenate(answers)[:PROOF_IMAGES]
    before = run_module(folded, usable[: len(answers) * size], form.fixed_batch)[: len(seen)]
    return observed, prove_exact("inserting observers", before, seen)


def statistics_pixels(fixed_batch: int | None, calibration: CalibrationSet) -> torch.Tensor:
    """Return the calibration images that a layer's statistics are taken on, float32 (N, C, H, W).

    N is a multiple of ``fixed_batch`` where there is one.
    """
    import torch

    pixels = calibration.faces.pixels
    count = max(_LEAST_IMAGES, _STATISTICS_PIXELS // (pixels.shape[2] * pixels.shape[3]), fixed_batch or 1)
    count = min(count, len(pixels))
    return torch.from_numpy(pixels[: count - count % (fixed_batch or 1)].astype("float32"))


@contextmanager
def known_warnings() -> Iterator[None]:
    """Silence torchao's talk of its own future defaults while the block runs."""
    with warnings.catch_warnings():
        # On every observer: reduce_range will go; int8 here is explicit.
        warnings.filterwarnings("ignore", message="Please use quant_min and quant_max")
        yield
