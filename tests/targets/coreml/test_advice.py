"""Advice on the Neural Engine and on fp16's range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fer_deploy.quantize.graph import ActivationScale, Scales
from fer_deploy.targets.coreml.advice import FP16_MAX, RULES, advice, calibrated_ranges, fp16_overflow
from fixtures.mil_programs import built, draw, mb


def half(build: Any) -> Any:
    """A program that computes in fp16 between casts."""
    return lambda x: mb.cast(x=build(mb.cast(x=x, dtype="fp16")), dtype="fp32")


WEIGHT = draw((2, 2, 3, 3), 0).astype(np.float16)


@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (half(lambda x: mb.gather(x=x, indices=np.array([0, 1], np.int32), axis=2)), (1, 2, 8, 8), "gathers"),
        (half(lambda x: mb.reduce_prod(x=x, axes=[2, 3])), (1, 2, 8, 8), "no hardware path"),
        (half(lambda x: mb.conv(x=x, weight=WEIGHT, dilations=[2, 2])), (1, 2, 8, 8), "dilated convolution"),
        (lambda x: mb.relu(x=x), (1, 2, 8, 8), "computes in fp32"),
        (half(lambda x: mb.relu(x=x)), (1, 1, 1, 20000), "dimension above 16,384"),
    ],
)
def test_rules_name_the_operation_and_their_source(build: Any, shape: tuple[int, ...], words: str) -> None:
    lines = [line for line in advice(built(build, {"x": shape})) if words in line]
    assert len(lines) == 1
    assert "may leave the Neural Engine" in lines[0]
    assert any(rule.source in lines[0] for rule in RULES)


def test_plain_fp16_convolution_draws_no_advice_but_on_its_ios_version() -> None:
    build = half(lambda x: mb.relu(x=mb.conv(x=x, weight=WEIGHT)))
    assert advice(built(build, {"x": (1, 2, 8, 8)}, ios=15)) == ()
    (line,) = advice(built(build, {"x": (1, 2, 8, 8)}, ios=17))
    assert "loads on iOS 17" in line
    assert "need iOS 15 (ML Programs)" in line


def test_calibrated_ranges_are_the_int8_grid_s_ends() -> None:
    step = ActivationScale(tensor="relu", scale=0.5, zero_point=-128, qmin=-128, qmax=127)
    assert calibrated_ranges(Scales(activations=(step,), weights_sha256="0")) == {"relu": (0.0, 127.5)}


def test_fp16_overflow_names_what_leaves_the_range() -> None:
    ranges = {
        "fine": (-100.0, 30000.0),
        "near": (-40000.0, 0.0),
        "beyond": (0.0, 70000.0),
        "bad": (0.0, np.inf),
    }
    lines = fp16_overflow(ranges)
    assert [line.split()[0] for line in lines] == ["near", "beyond", "bad"]
    assert np.finfo(np.float16).max == FP16_MAX
