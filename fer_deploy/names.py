"""A name that matches nothing, and the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of ``known`` that reads most like ``name``, or None when none does."""
    close = difflib.get_close_matches(name, list(dict.fromkeys(known)), 1, cutoff=cutoff)
    return close[0] if close else None


def meant(name: str, known: Iterable[str]) -> str:
    """Return what to say behind a name that is none of ``known``: " (did you mean 'x'?)", or nothing."""
    close = closest(name, known)
    return f" (did you mean '{close}'?)" if close is not None else ""


def nearest(pattern: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on a name or pattern that is none of ``known``: the nearest, or all of them."""
    names = list(dict.fromkeys(known))
    close = closest(pattern.strip("*"), names, 0.5)
    if close is not None:
        return f"; the nearest name is '{close}'"
    return f"; there are: {', '.join(names)}" if names else "; there is none"


def meant_or_known(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on a name that there is none of: the one that was meant, else all of ``known``."""
    names = tuple(known)
    close = closest(name, names)
    return f"did you mean '{close}'?" if close is not None else f"known: {', '.join(names)}"
