"""The noise that quantization adds to each layer, as Measurements."""

from __future__ import annotations

from collections.abc import Sequence

from fer_deploy.frozen import Unknown
from fer_deploy.measure.comparison import compare_layers
from fer_deploy.measure.emulation import as_emulated
from fer_deploy.measure.figures import LayerFigures
from fer_deploy.quantize.layer_outputs import LayerOutput


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
