"""What Android says of heat, charge and radio: the question, and what its tools print."""

from __future__ import annotations

import re

from fer_deploy.devices.timing import DeviceState

#: One command line for all; a tool that is absent prints nothing and leaves its section empty.
QUESTION = (
    "dumpsys battery 2>/dev/null; echo ---; dumpsys thermalservice 2>/dev/null; echo ---; "
    "settings get global airplane_mode_on 2>/dev/null; true"
)


def parse_state(answer: str) -> DeviceState:
    """Return the state in the answer to :data:`QUESTION`; what is not in it is None with the reason."""
    battery, thermal, airplane = [*answer.split("---\n"), "", ""][:3]
    values: dict[str, float | int | bool] = {}
    missing: dict[str, str] = {}

    def note(field: str, value: float | int | bool | None, reason: str) -> None:
        if value is None:
            missing[field] = reason
        else:
            values[field] = value

    fields = dict(re.findall(r"^\s*([A-Za-z ]+): (\S+)\s*$", battery, re.MULTILINE))
    absent = "dumpsys battery did not say"
    note("battery_percent", _number(fields.get("level")), absent)
    powered = [fields[key] == "true" for key in fields if key.endswith(" powered")]
    note("charging", any(powered) if powered else None, absent)
    tenths = _number(fields.get("temperature"))  # BatteryManager.EXTRA_TEMPERATURE: tenths of a degree
    note("temperature_celsius", None if tenths is None else tenths / 10, absent)
    status = re.search(r"Thermal Status: (\d)\b", thermal)
    note("thermal_status", int(status[1]) if status else None, "dumpsys thermalservice did not say")
    radio = {"0": False, "1": True}.get(airplane.strip())
    note("airplane_mode", radio, "settings get global airplane_mode_on did not say")
    return DeviceState.model_validate({**values, "missing": missing})


def _number(word: str | None) -> float | None:
    return float(word) if word is not None and re.fullmatch(r"-?\d+", word) else None
