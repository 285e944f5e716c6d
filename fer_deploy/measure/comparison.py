"""Two sets of logits and layer outputs side by side, and from them the noise that quantization adds to each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_deploy.data.account import Account
from fer_deploy.frozen import Frozen, Unknown
from fer_deploy.measure.figures import LayerFigures, ParityFigures
from fer_deploy.measure.measurement import Measurement, Unit, as_emulated, measured, not_measured
from fer_deploy.quantize.layers import LayerOutput
from fer_deploy.showing import ShownAsHtml

#: A layer counts as parted when its noise is a tenth of its signal. int8 layers of a sound model lie at 25 dB
#: and more; a wrong mean or a saturated kernel falls to 10 dB and less.
PART_BELOW_DB = 20.0
#: Why a layer has no ratio although it was compared.
EQUAL = "no noise: its values are those of the reference, bit for bit"


class LayerComparison(Frozen):
    """One layer's output in the two."""

    name: str
    sqnr: Measurement = Field(description="of the second against the first, dB")
    max_difference: float = Field(description="in the layer's own units")
    equal: bool = Field(description="bit for bit")


class Comparison(ShownAsHtml, Frozen):
    """Two artifacts, or an artifact and a float model, on the same images."""

    first: str
    second: str
    dataset: str
    images: int
    account: Account = Field(description="what became of all images of ``dataset``")
    parity: ParityFigures
    layers: tuple[LayerComparison, ...]
    layers_reason: str | None = Field(description="why there are no layers to compare")
    part_below_db: float
    first_difference: str | None = Field(description="first layer that is not equal bit for bit")
    first_parting: str | None = Field(description="first layer whose SQNR is below ``part_below_db``")


def sqnr_db(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return 10 log10(signal power / noise power); infinite when the two are equal."""
    signal = float(np.square(reference.astype(np.float64)).sum())
    noise = float(np.square(reference.astype(np.float64) - other.astype(np.float64)).sum())
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal > 0 else float("-inf")


def compare_layers(
    first: list[LayerOutput], second: list[LayerOutput]
) -> tuple[LayerComparison, ...] | Unknown:
    """Return the layers in order, or why they cannot be set side by side."""
    if len(first) != len(second):
        return Unknown(reason=f"the two have {len(first)} and {len(second)} layers with weights")
    rows = []
    for ours, theirs in zip(first, second, strict=True):
        if ours.values.size != theirs.values.size:
            shapes = f"{ours.values.shape} in one and {theirs.values.shape} in the other"
            return Unknown(reason=f"layer {ours.name} has shape {shapes}")
        other = theirs.values.reshape(ours.values.shape)
        ratio = sqnr_db(ours.values, other)
        equal = bool(np.array_equal(ours.values, other))
        rows.append(
            LayerComparison(
                name=ours.name,
                sqnr=(
                    measured(ratio, Unit.DECIBEL, conditions={"images": len(ours.values)})
                    if np.isfinite(ratio)
                    else not_measured(Unit.DECIBEL, EQUAL if equal else "the first gives zeros only")
                ),
                max_difference=float(np.abs(ours.values - other).max()),
                equal=equal,
            )
        )
    return tuple(rows)


def first_difference(layers: tuple[LayerComparison, ...]) -> str | None:
    """Return the name of the first layer that is not equal, or None."""
    return next((layer.name for layer in layers if not layer.equal), None)


def first_parting(layers: tuple[LayerComparison, ...], below_db: float) -> str | None:
    """Return the name of the first layer whose SQNR is below ``below_db``, or None."""
    for layer in layers:
        if not layer.equal and (layer.sqnr.value is None or layer.sqnr.value < below_db):
            return layer.name
    return None


def layer_noise(
    reference: Sequence[LayerOutput], other: Sequence[LayerOutput], emulation: str | None = None
) -> tuple[LayerFigures, ...] | Unknown:
    """Return the noise of each layer against the float model's, or why the two cannot be set side by side.

    What a layer adds and what reaches it from the layers before are in one figure: a layer that stands out below
    its predecessor is where noise enters.

    Args:
        reference: the float model's layers, in order, on some images.
        other: the quantized graph's or the artifact's layers on the same images.
        emulation: how ``other`` was emulated; None when it was run.
    """
    rows = compare_layers(list(reference), list(other))
    if isinstance(rows, Unknown):
        return rows
    return tuple(
        as_emulated(LayerFigures(name=row.name, operator=layer.operator, sqnr=row.sqnr), emulation)
        for row, layer in zip(rows, reference, strict=True)
    )
