"""Any two of: artifacts, float models; on the same images, logit by logit and layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.account import account_of
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, Role, at_hand, open_dataset
from fer_deploy.errors import ConfigError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.comparison import (
    PART_BELOW_DB,
    Comparison,
    LayerComparison,
    compare_layers,
    first_difference,
    first_parting,
)
from fer_deploy.measure.measurement import as_emulated
from fer_deploy.measure.parity import parity_figures
from fer_deploy.measure.subject import Subject, open_subject
from fer_deploy.quantize.layers import LayerOutput

#: Images on which layers are compared: each layer's output of all of them is in memory at once.
LAYER_IMAGES = 16


def compare(
    first: str,
    second: str,
    dataset: DatasetSpec,
    role: Role,
    limit: int | None = None,
    part_below_db: float = PART_BELOW_DB,
    contract: Path | None = None,
    weights: Path | None = None,
) -> Comparison:
    """Return how ``second`` differs from ``first``.

    Args:
        first: artifact folder, zoo folder, .pt2 or factory; the reference.
        second: the same kinds.
        dataset: where the images come from.
        role: which split of it.
        limit: compare on this many of its first images only.
        part_below_db: SQNR below which a layer counts as parted.
        contract, weights: for a model that does not carry its own.

    Raises:
        ConfigError: the two have different labels or read different images.
        TargetError: an artifact cannot run on this machine.
        FerDeployError: either is missing or damaged.
    """
    ours, theirs = (_open(reference, contract, weights) for reference in (first, second))
    require_same_images(ours, theirs)
    faces = open_dataset(at_hand(dataset), role, ours.contract.labels, ours.contract.input)
    return compare_subjects(ours, theirs, faces, limit, part_below_db)


def compare_subjects(
    ours: Subject,
    theirs: Subject,
    faces: Faces,
    limit: int | None = None,
    part_below_db: float = PART_BELOW_DB,
) -> Comparison:
    """Return how ``theirs`` differs from ``ours`` on ``faces``, or the first ``limit`` of them.

    Raises:
        TargetError: an artifact cannot run on this machine.
    """
    account = account_of(faces)
    if limit is not None:
        faces = faces.subset(np.arange(min(limit, len(faces)), dtype=np.int64))
    before, after = ours.answers(faces.pixels), theirs.answers(faces.pixels)
    parity = as_emulated(
        parity_figures(before.logits, after.logits, faces), before.emulation or after.emulation
    )
    layers = _layers(ours, theirs, faces.pixels[:LAYER_IMAGES])
    rows = () if isinstance(layers, Unknown) else layers
    return Comparison(
        first=ours.name,
        second=theirs.name,
        dataset=faces.name,
        images=len(faces),
        account=account,
        parity=parity,
        layers=rows,
        layers_reason=layers.reason if isinstance(layers, Unknown) else None,
        part_below_db=part_below_db,
        first_difference=first_difference(rows),
        first_parting=first_parting(rows, part_below_db),
    )


def _open(reference: str, contract: Path | None, weights: Path | None) -> Subject:
    """Return one of the two; a folder carries its own contract and weights, those given are the other's."""
    carried = Path(reference).is_dir()
    return open_subject(reference, None if carried else contract, None if carried else weights)


def require_same_images(ours: Subject, theirs: Subject) -> None:
    """Raise ConfigError when logits do not answer the same question; mean and std may differ, and show."""
    if ours.contract.labels != theirs.contract.labels:
        raise ConfigError(
            f"{ours.name} answers {list(ours.contract.labels)} and {theirs.name} "
            f"{list(theirs.contract.labels)}; only models with the same labels can be compared"
        )
    hidden = {"mean", "std"}
    if ours.contract.input.model_dump(exclude=hidden) != theirs.contract.input.model_dump(exclude=hidden):
        raise ConfigError(
            f"{ours.name} and {theirs.name} read different images (size, colour, resize or crop of their "
            "contracts differ); only models of the same input can be compared"
        )


def _layers(
    ours: Subject, theirs: Subject, pixels: NDArray[np.uint8]
) -> tuple[LayerComparison, ...] | Unknown:
    first = ours.layers(pixels)
    if isinstance(first, Unknown):
        return Unknown(reason=f"{ours.name}: {first.reason}")
    second = theirs.layers(pixels)
    if isinstance(second, Unknown):
        return Unknown(reason=f"{theirs.name}: {second.reason}")
    count = min(len(one.outputs[0].values) if one.outputs else 0 for one in (first, second))
    rows = compare_layers(*([_first(layer, count) for layer in one.outputs] for one in (first, second)))
    if isinstance(rows, Unknown):
        return rows
    return tuple(as_emulated(row, first.emulation or second.emulation) for row in rows)


def _first(layer: LayerOutput, count: int) -> LayerOutput:
    return LayerOutput(layer.name, layer.values[:count], layer.operator)
