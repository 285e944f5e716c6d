"""How post-training quantization finds ranges and what it does to the weights first."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, ValidationError

from fer_deploy.errors import ConfigError
from fer_deploy.frozen import Frozen, first_problem

ObserverName = Literal["min-max", "histogram", "percentile", "mse"]
OBSERVERS: tuple[ObserverName, ...] = get_args(ObserverName)


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
