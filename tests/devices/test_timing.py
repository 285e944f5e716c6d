"""The protocol and the result refuse what cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_deploy.devices.timing import TimingProtocol, TimingResult

FIELDS: dict[str, Any] = {
    "runtime_version": "1",
    "threads": 1,
    "load_ms": 1.0,
    "first_ms": 1.0,
    "peak_memory_bytes": None,
}


@pytest.mark.parametrize("cores", [(), (-1,), (0, 0)])
def test_cores_that_cannot_be(cores: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        TimingProtocol(cores=cores)


@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_times_are_finite_and_not_negative(samples: list[float]) -> None:
    if all(math.isfinite(sample) and sample >= 0 for sample in samples):
        assert TimingResult(**FIELDS, samples_ms=tuple(samples)).samples_ms == tuple(samples)
    else:
        with pytest.raises(ValidationError):
            TimingResult(**FIELDS, samples_ms=tuple(samples))


@pytest.mark.parametrize("field", ["load_ms", "first_ms"])
def test_garbage_times_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="finite"):
        TimingResult(**{**FIELDS, field: float("nan")}, samples_ms=(1.0,))
