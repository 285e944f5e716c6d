"""The verdict on an artifact that was timed beside an earlier one."""

from __future__ import annotations

from fer_deploy.frozen import Unknown
from fer_deploy.gate.verdicts import SLOWDOWN, Outcome, Verdict
from fer_deploy.measure.slowdown import FALSE_ALARM, MISSED, Slowdown


def slowdown_verdict(artifact: str, device: str, found: Slowdown | Unknown, limit: float) -> Verdict:
    """Return the verdict on an artifact on a device.

    Args:
        artifact: its key.
        device: the device's name.
        found: what the rounds showed, or why there were none.
        limit: per cent.
    """
    value = None if isinstance(found, Unknown) else found.measurement()
    outcome, message = _judged(found, limit)
    return Verdict(
        figure=SLOWDOWN,
        subject=artifact,
        device=device,
        outcome=outcome,
        limit=f"less than {limit:g} %",
        value=value,
        message=message,
    )


def _judged(found: Slowdown | Unknown, limit: float) -> tuple[Outcome, str]:
    if isinstance(found, Unknown):
        return Outcome.NOT_MEASURED, found.reason
    said = (
        f"{100 * found.value:+.1f} % of the earlier artifact's time, {found.rounds} processes with both "
        f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    )
    match found.finding(limit / 100):
        case "slower":
            return (
                Outcome.FAIL,
                f"{said}: slower beyond chance ({FALSE_ALARM:.0%}), by more than half of the limit",
            )
        case "not slower":
            return Outcome.PASS, said
        case "not known":
            return (
                Outcome.NOT_MEASURED,
                f"{said}: too noisy to rule out {limit:g} % with {1 - MISSED:.0%}; stop other work on the device and "
                "check again",
            )
