"""The interpreter fails closed: what it does not know, it names, and callers report it as not measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fer_deploy.errors import TargetError
from fixtures.mil_programs import built, draw, mb, outputs_of


def test_unknown_operation_is_named_with_its_place() -> None:
    program = built(lambda x: mb.non_zero(x=x, name="here"), {"x": (1, 4)})
    with pytest.raises(TargetError, match="cannot execute Core ML operation 'non_zero' at 'here'"):
        outputs_of(program, {"x": draw((2, 4), 0)})


def test_nested_blocks_are_refused() -> None:
    def build(x: Any) -> Any:
        positive = mb.squeeze(x=mb.greater(x=mb.reduce_sum(x=x), y=np.float32(0)))
        return mb.cond(pred=positive, _true_fn=lambda: mb.relu(x=x), _false_fn=lambda: mb.abs(x=x), name="c")

    with pytest.raises(TargetError, match="operation 'cond' at 'c': it nests a block"):
        built(build, {"x": (1, 4)})


def test_fp16_overflow_is_infinite_as_on_a_device() -> None:
    def build(x: Any) -> Any:
        half = mb.cast(x=x, dtype="fp16")
        return mb.cast(x=mb.mul(x=half, y=np.float16(1000)), dtype="fp32")

    program = built(build, {"x": (1, 2)})
    x = np.array([[65.0, 66.0]], np.float32)
    assert outputs_of(program, {"x": x})[0].tolist() == [[float(np.float16(65000)), np.inf]]
