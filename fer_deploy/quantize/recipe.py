"""What is asked of quantization: precision and method, its integer grids, how ranges are found, and on which images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import Field, ValidationError

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ConfigError, QuantizationError
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.names import meant

#: Activations: int8, affine.
QMIN, QMAX = -128, 127
#: Weights: int8 without -128, symmetric, so that negating a weight is exact.
WEIGHT_MAX = 127
#: Far below any scale that a float32 weight of use gives; only keeps all-zero channels from scale 0.
WEIGHT_EPS = 2.0**-24
#: The same for activations. XNNPACK's own quantizer has 2**-12: a layer whose values are that small loses its bits.
ACTIVATION_EPS = 2.0**-24


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
        raise ConfigError(f"unknown recipe '{text}'{meant(text, RECIPES)}; known: {', '.join(RECIPES)}")
    return RECIPES[name]


ObserverName = Literal["min-max", "histogram", "percentile", "mse"]
OBSERVERS: tuple[ObserverName, ...] = get_args(ObserverName)
Rounding = Literal["nearest", "gptq"]


class PtqOptions(Frozen):
    """Options of post-training quantization, recorded in every artifact that was made with them.

    ``docs/quantization.md`` shows what each costs and gains on the shipped model.
    """

    observer: ObserverName = Field(
        default="histogram", description="how a range is taken from the activations that were seen"
    )
    percentile: float = Field(
        default=99.99,
        gt=50,
        lt=100,
        description="share of the activations inside the range, per cent; observer 'percentile' only",
    )
    rounding: Rounding = Field(
        default="gptq",
        description="to which integers weights go: each to its nearest, or such that the layer's output on "
        "calibration images changes least; w8a8-ptq only",
    )
    bias_correction: bool = Field(
        default=False, description="shift biases by each channel's mean quantization error"
    )
    equalization: bool = Field(
        default=False, description="even out weight ranges between consecutive layers (cross-layer)"
    )
    fused_clamps: bool = Field(
        default=True, description="quantize a convolution after its clamp only, not before it as well"
    )
    own_pool_ranges: bool = Field(
        default=False,
        description="quantize what a global pooling gives over its own range, where the map's is shared",
    )
    float_layers: tuple[str, ...] = Field(default=(), description="layers left in float, by module path")


def parse_options(**values: object) -> PtqOptions:
    """Return the options with the given values, the rest by default.

    Raises:
        ConfigError: an unknown option, or a value out of range.
    """
    try:
        return PtqOptions.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"quantization option {first_problem(error)}") from None


#: Beside the weights of a zoo model.
CARRIED_FILE = "calibration.json"


class CarriedRange(Frozen):
    """What one observer of the prepared graph found: real value = scale x (integer - zero_point)."""

    layer: str = Field(description="whose output it observes")
    low: float = Field(description="smallest value seen")
    high: float = Field(description="largest value seen")
    scale: float
    zero_point: int


class CarriedRounding(Frozen):
    """Where the weights of one layer went, other than to their nearest integers."""

    layer: str
    steps: str = Field(description="by how many steps: int8 in the weight's order, zlib, base64")


class CarriedCalibration(Frozen):
    """``calibration.json``: the ranges, how weights were rounded, and what both hold for."""

    schema_version: Literal["2.0"]
    weights_sha256: str
    contract_sha256: str
    options: PtqOptions
    dataset: str = Field(description="the images that the observers saw, for people")
    per_class: dict[str, int]
    rows: tuple[int, ...] = Field(description="rows of the images in their source")
    seed: int
    ranges: tuple[CarriedRange, ...] = Field(description="in the order of the prepared graph")
    rounding: tuple[CarriedRounding, ...] = Field(description="of the layers whose weights images decided")


@dataclass(frozen=True)
class CalibrationSet:
    """Images whose activations set the quantization ranges, and the seed that drew them.

    Attributes:
        faces: the images; where ``carried`` is there, those that steps are proven on.
        seed: drew them.
        carried: ranges and rounding that other images gave, and that take the place of what these would give.
    """

    faces: Faces
    seed: int
    carried: CarriedCalibration | None = None

    @property
    def drawn(self) -> bool:
        """True where ranges come from images without a photograph behind them: not for shipping."""
        return self.faces.drawn and self.carried is None

    @property
    def source(self) -> str:
        """The images that ranges come from, for people."""
        return self.faces.name if self.carried is None else self.carried.dataset

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of the images that ranges come from, in their source."""
        return tuple(map(int, self.faces.rows)) if self.carried is None else self.carried.rows

    @property
    def per_class(self) -> dict[str, int]:
        """Label to number of images that ranges come from."""
        if self.carried is not None:
            return dict(self.carried.per_class)
        counts = np.bincount(self.faces.targets, minlength=len(self.faces.labels))
        return {label: int(count) for label, count in zip(self.faces.labels, counts, strict=True)}


def choose_calibration(training: Faces, size: int, seed: int = 0) -> CalibrationSet:
    """Return ``size`` training images, as evenly over the classes as their numbers allow.

    Rare classes give all they have; the others share what is left. The draw depends on ``seed`` alone.

    Raises:
        QuantizationError: fewer images than ``size``, or only one class among them.
    """
    if size < 1 or size > len(training):
        raise QuantizationError(
            f"a calibration set of {size} images cannot be drawn from the {len(training)} of {training.name}"
        )
    generator = np.random.default_rng(seed)
    queues = [
        generator.permutation(np.flatnonzero(training.targets == index))
        for index in range(len(training.labels))
    ]
    if sum(len(queue) > 0 for queue in queues) < 2:
        raise QuantizationError(
            f"calibration on {training.name} would see one class only; its ranges would fit no other face"
        )
    taken = [0] * len(queues)
    for _ in range(size):
        open_classes = [index for index, queue in enumerate(queues) if taken[index] < len(queue)]
        taken[min(open_classes, key=lambda index: taken[index])] += 1
    chosen = np.concatenate([queue[:count] for queue, count in zip(queues, taken, strict=True)])
    chosen = generator.permutation(chosen).astype(np.int64)
    return CalibrationSet(training.subset(chosen, f"calibration set of {training.name}"), seed)
