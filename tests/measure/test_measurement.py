from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, measured, not_measured

_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    value=st.none() | _FINITE,
    unit=st.sampled_from(Unit),
    provenance=st.sampled_from(Provenance),
    reason=st.sampled_from([None, "", "no device"]),
    interval=st.none() | _FINITE.map(lambda bound: Interval(low=bound, high=bound, method="m")),
)
def test_exactly_the_honest_figures_can_be_made(
    value: float | None, unit: Unit, provenance: Provenance, reason: str | None, interval: Interval | None
) -> None:
    missing = provenance is Provenance.NOT_MEASURED
    honest = (
        (value is None) == missing
        and (bool(reason) or not missing)
        and (interval is not None or provenance is not Provenance.ESTIMATED)
        and not (provenance is Provenance.EMULATED and unit is Unit.MILLISECONDS)
    )
    arguments = {
        "value": value,
        "unit": unit,
        "provenance": provenance,
        "reason": reason,
        "interval": interval,
    }
    if honest:
        figure = Measurement.model_validate(arguments)
        assert figure.known == (not missing)
        assert Measurement.model_validate_json(figure.model_dump_json()) == figure
    else:
        with pytest.raises(ValidationError):
            Measurement.model_validate(arguments)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_figure_is_nan_or_infinite(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        measured(value, Unit.LOGITS)
    with pytest.raises(ValidationError, match="finite"):
        Interval(low=0, high=value, method="m")
    with pytest.raises(ValidationError, match="finite"):
        measured(1.0, Unit.LOGITS, samples=(1.0, value))


def test_interval_runs_upward_and_names_its_method() -> None:
    with pytest.raises(ValidationError, match="low"):
        Interval(low=2, high=1, method="m")
    with pytest.raises(ValidationError, match="method"):
        Interval(low=1, high=2, method="")


def test_conditions_become_text() -> None:
    figure = measured(3, Unit.COUNT, conditions={"threads": 1, "governor": "performance"})
    assert figure.conditions == {"threads": "1", "governor": "performance"}
    assert json.loads(figure.model_dump_json())["value"] == 3.0


def test_not_measured_says_why() -> None:
    assert not_measured(Unit.BYTES, "no phone").reason == "no phone"
    with pytest.raises(ValidationError, match="must say why"):
        not_measured(Unit.BYTES, "")


def test_cannot_be_changed() -> None:
    figure = measured(1, Unit.COUNT)
    with pytest.raises(ValidationError):
        figure.value = 2.0
