"""The console that tables are printed on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of a table that goes into a file or a CI log, where there is no terminal to ask.
LOG_WIDTH = 100


def stdout_console() -> Console:
    """Return a rich console on stdout, as wide as the terminal or :data:`LOG_WIDTH`."""
    from rich.console import Console

    return Console(soft_wrap=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
