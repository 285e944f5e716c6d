"""The noise of layers: the ratio that was put in, nothing where nothing was, and names from the reference."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.frozen import Unknown
from fer_deploy.measure.comparison import EQUAL, layer_noise
from fer_deploy.measure.measurement import Provenance
from fer_deploy.quantize.layers import LayerOutput

DRAW = np.random.default_rng(0)


def layers(*noise: float) -> tuple[list[LayerOutput], list[LayerOutput]]:
    """Return layers of unit power, and the same with noise of a power each."""
    plain = [
        LayerOutput(f"layer.{index}", DRAW.normal(0, 1, (4, 8, 6, 6)).astype(np.float32), "depthwise")
        for index in range(len(noise))
    ]
    noisy = [
        LayerOutput("?", one.values + DRAW.normal(0, 1, one.values.shape).astype(np.float32) * power**0.5)
        for one, power in zip(plain, noise, strict=True)
    ]
    return plain, noisy


@pytest.mark.parametrize("decibel", [10.0, 20.0, 40.0])
def test_it_is_the_ratio_of_powers(decibel: float) -> None:
    found = layer_noise(*layers(10 ** (-decibel / 10)))
    assert not isinstance(found, Unknown)
    assert found[0].sqnr.value == pytest.approx(decibel, abs=0.6)
    assert (found[0].name, found[0].operator) == ("layer.0", "depthwise")
    assert found[0].sqnr.conditions == {"images": "4"}


def test_no_noise_is_no_ratio() -> None:
    plain, _ = layers(0.1)
    found = layer_noise(plain, plain)
    assert not isinstance(found, Unknown)
    assert found[0].sqnr.reason == EQUAL


def test_what_was_emulated_says_how() -> None:
    found = layer_noise(*layers(0.01), emulation="interpreter")
    assert not isinstance(found, Unknown)
    assert found[0].sqnr.provenance is Provenance.EMULATED
    assert found[0].sqnr.conditions["emulation"] == "interpreter"


def test_networks_of_other_depth_are_not_compared() -> None:
    plain, noisy = layers(0.01, 0.01)
    reason = "the two have 2 and 1 layers with weights"
    assert layer_noise(plain, noisy[:1]) == Unknown(reason=reason)
