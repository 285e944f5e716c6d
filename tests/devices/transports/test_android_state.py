"""What Android's tools print, in the forms they are known to print it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.timing import DeviceState
from fer_deploy.devices.transports.android_state import parse_state

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  status: 2
  health: 2
  present: true
  level: 97
  scale: 100
  voltage: 4336
  temperature: 284
  technology: Li-ion
"""
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
Thermal Status: 3
Cached temperatures:
\tTemperature{mValue=38.4, mType=3, mName=skin, mStatus=0}
"""


def test_a_phone_that_says_everything() -> None:
    assert parse_state(f"{BATTERY}---\n{THERMAL}---\n1\n") == DeviceState(
        battery_percent=97,
        charging=True,
        temperature_celsius=28.4,
        thermal_status=3,
        airplane_mode=True,
        missing={},
    )


def test_on_battery_with_radio_on() -> None:
    state = parse_state(BATTERY.replace("USB powered: true", "USB powered: false") + "---\n---\n0\n")
    assert state.charging is False
    assert state.airplane_mode is False
    assert state.thermal_status is None
    assert state.missing == {"thermal_status": "dumpsys thermalservice did not say"}


def test_a_device_without_the_tools_says_why_for_every_field() -> None:
    state = parse_state("---\n---\n")
    assert set(state.missing) == set(DeviceState.model_fields) - {"missing"}


@given(st.text())
def test_any_answer_gives_a_value_or_a_reason_never_both(answer: str) -> None:
    state = parse_state(answer)
    for name, value in state.model_dump(exclude={"missing"}).items():
        assert (value is None) == (name in state.missing)
