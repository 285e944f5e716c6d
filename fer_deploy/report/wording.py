"""How one Measurement reads for people: the only place where digits, units and provenance become text.

Digits follow the unit, not the taste of a view. Rounding never turns a figure into a claim: what is
not exactly 0 or 100 % gets more digits before it is printed as either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from fer_deploy.measure.measurement import Measurement, Provenance, Unit

MINUS = "\N{MINUS SIGN}"
#: One character per provenance for narrow tables; ``LEGEND`` explains them.
MARKS = {
    Provenance.MEASURED: "●",
    Provenance.EMULATED: "◐",
    Provenance.ESTIMATED: "≈",
    Provenance.NOT_MEASURED: "n/m",
}
LEGEND = {
    Provenance.MEASURED: "obtained by running, counting or weighing the thing itself, under the conditions stated",
    Provenance.EMULATED: "obtained by running the artifact in an interpreter or emulator; numerics only, never time",
    Provenance.ESTIMATED: "predicted from other measurements or by an NPU’s compiler; with an interval, or why not",
    Provenance.NOT_MEASURED: "could not be obtained; the reason stands beside it or in a footnote",
}
UNITS_NOTE = "1 KB = 1000 bytes and 1 MB = 1000 KB. A positive drop is a loss against the float model."
_MOST_DECIMALS = 4
_BYTE_SCALES = ((1.0, "bytes"), (1e3, "KB"), (1e6, "MB"), (1e9, "GB"))
# Control characters, the marks that reorder text on screen, and what XML cannot hold: a label must be able
# neither to move the cursor nor to make a plot unreadable.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+"
)


def clean(text: str) -> str:
    """Return ``text`` on one line, without control characters; every view passes free text through this."""
    return _UNPRINTABLE.sub(lambda found: " " if found[0].isspace() else "\N{REPLACEMENT CHARACTER}", text)


def amount(figure: Measurement) -> str:
    """Return value and unit, e.g. ``83.2 %``, ``+0.3 points``, ``428 KB``; ``not measured`` without a value."""
    if figure.value is None:
        return str(Provenance.NOT_MEASURED)
    number, unit = _number(figure.value, figure.value, figure.unit)
    return f"{number} {unit}".rstrip()


def bare_amount(figure: Measurement) -> str:
    """Return the value without its unit, for columns whose heading names the unit."""
    if figure.value is None:
        return str(Provenance.NOT_MEASURED)
    return _number(figure.value, figure.value, figure.unit)[0]


def interval(figure: Measurement) -> str:
    """Return the interval in the value's unit and digits, e.g. ``[82.0, 84.4]``; empty without one."""
    if figure.interval is None or figure.value is None:
        return ""
    ends = (figure.interval.low, figure.interval.high)
    return "[{}, {}]".format(*(_number(end, figure.value, figure.unit)[0] for end in ends))


def describe(figure: Measurement) -> str:
    """Return everything in one line, e.g. ``83.2 % [82.0, 84.4] (measured)`` or ``not measured: needs macOS``."""
    if figure.value is None:
        return f"{Provenance.NOT_MEASURED}: {clean(figure.reason or '')}"
    return " ".join(part for part in (amount(figure), interval(figure), f"({figure.provenance})") if part)


def grounds(figure: Measurement) -> str:
    """Return how the figure was obtained: provenance, interval method, conditions and number of samples."""
    if figure.value is None:
        return describe(figure)
    parts = [str(figure.provenance)]
    if figure.interval is not None:
        parts.append(f"interval: {clean(figure.interval.method)}")
    parts += [f"{clean(name)}: {clean(value)}" for name, value in figure.conditions.items()]
    if figure.samples:
        parts.append(f"{len(figure.samples):,} raw samples")
    return "; ".join(parts)


def probability(value: float | None) -> str:
    """Return a p-value as ``0.031`` or ``< 0.001``; a dash when there is none."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


class Footnotes:
    """Numbers the distinct reasons of one table or report in the order in which they come up."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, figure: Measurement) -> int:
        """Return the number of the figure's reason, from 1."""
        reason = clean(figure.reason or "")
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter([(number, reason) for reason, number in self._numbers.items()])

    def __len__(self) -> int:
        return len(self._numbers)


def _number(value: float, scale_by: float, unit: Unit) -> tuple[str, str]:
    """Return number and unit text; ``scale_by`` chooses digits and scale so that an interval matches its value."""
    match unit:
        case Unit.FRACTION:
            return _fixed(100 * value, _decimals(100 * scale_by, (0.0, 100.0))), "%"
        case Unit.POINTS:
            return _fixed(value, _decimals(scale_by, (0.0,)), signed=True), "points"
        case Unit.DECIBEL:
            return _fixed(value, 1), "dB"
        case Unit.COUNT:
            return _fixed(value, 0 if value.is_integer() else 1), ""
        case Unit.BYTES:
            divisor, text = _byte_scale(scale_by)
            return (_fixed(value, 0) if divisor == 1 else _significant(value / divisor)), text
        case _:
            return _significant(value), _UNIT_TEXT[unit]


_UNIT_TEXT = {unit: str(unit) for unit in Unit} | {Unit.FRACTION: "%", Unit.COUNT: ""}


def _decimals(value: float, exact: tuple[float, ...]) -> int:
    """Return 1, or as many as it takes that ``value`` does not round to one of ``exact`` without being it."""
    for decimals in range(1, _MOST_DECIMALS + 1):
        if value in exact or round(value, decimals) not in exact:
            return decimals
    return 1


def _fixed(value: float, decimals: int, signed: bool = False) -> str:
    value = round(value, decimals)
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{abs(value):,.{decimals}f}"


def _significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with three significant digits; far below 1 with an exponent."""
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0:
        return "0"
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -4:
        return f"{rounded:.{digits - 1}e}".replace("-", MINUS)
    return _fixed(rounded, max(0, digits - 1 - exponent))


def _byte_scale(value: float) -> tuple[float, str]:
    # 999,700 bytes have to read as 1.00 MB, not as 1,000 KB: three digits are rounded before the scale is chosen.
    rounded = abs(float(f"{value:.2e}"))
    return next((scale for scale in reversed(_BYTE_SCALES) if rounded >= scale[0]), _BYTE_SCALES[0])
