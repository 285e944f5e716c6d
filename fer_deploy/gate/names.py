"""A name that matches nothing, and the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(pattern: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on a name or pattern that is none of ``known``: the nearest, or all of them."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(pattern.strip("*"), names, 1, cutoff=0.5)
    if close:
        return f"; the nearest name is '{close[0]}'"
    return f"; there are: {', '.join(names)}" if names else "; there is none"
