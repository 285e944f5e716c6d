"""Figures of an artifact that was emulated: the same numbers, said to be emulated."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from fer_deploy.measure.measurement import Measurement, Provenance

Figures = TypeVar("Figures", bound=BaseModel)


def as_emulated(figures: Figures, emulation: str | None) -> Figures:
    """Return ``figures`` with every measured Measurement in it turned into an emulated one.

    ``emulation`` says how, and becomes the condition of that name; None returns ``figures`` as they are.
    """
    if emulation is None:
        return figures
    if isinstance(figures, Measurement):
        if figures.provenance is not Provenance.MEASURED:
            return figures
        fields = dict(figures) | {
            "provenance": Provenance.EMULATED,
            "conditions": {**figures.conditions, "emulation": emulation},
        }
        return type(figures)(**fields)
    return figures.model_copy(
        update={name: _emulated(value, emulation) for name, value in dict(figures).items()}
    )


def _emulated(value: Any, emulation: str) -> Any:
    if isinstance(value, BaseModel):
        return as_emulated(value, emulation)
    return tuple(_emulated(item, emulation) for item in value) if isinstance(value, tuple) else value
