"""Recipes: what precision an artifact has and how it gets there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fer_deploy.errors import ConfigError

Precision = Literal["float", "fp16", "w8", "w8a8"]
Method = Literal["ptq", "qat"]


@dataclass(frozen=True)
class Recipe:
    """Precision and, where it is quantized, the method. Its name is decodable by :func:`parse_recipe`.

    ``w8``: per-channel symmetric int8 weights, expanded to fp16 for computing. ``w8a8``: the same weights
    and per-tensor affine int8 activations.
    """

    precision: Precision
    method: Method | None = None

    @property
    def name(self) -> str:
        """``float``, ``fp16``, ``w8``, ``w8a8-ptq`` or ``w8a8-qat``."""
        return self.precision if self.method is None else f"{self.precision}-{self.method}"

    @property
    def quantized(self) -> bool:
        """True when the artifact is lowered from the quantized graph."""
        return self.method is not None


FLOAT = Recipe("float")
FP16 = Recipe("fp16")
W8 = Recipe("w8")
W8A8_PTQ = Recipe("w8a8", "ptq")
W8A8_QAT = Recipe("w8a8", "qat")
RECIPES = {recipe.name: recipe for recipe in (FLOAT, FP16, W8, W8A8_PTQ, W8A8_QAT)}
_SPELLINGS = {"fp32": "float", "int8": "w8a8-ptq", "w8a8": "w8a8-ptq"}


def parse_recipe(text: str) -> Recipe:
    """Return the recipe of a name; ``fp32``, ``int8`` and ``w8a8`` are accepted spellings.

    Raises:
        ConfigError: no such recipe.
    """
    name = _SPELLINGS.get(text, text)
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe '{text}'; known: {', '.join(RECIPES)}")
    return RECIPES[name]
