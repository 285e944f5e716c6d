"""What can be chosen about lowering to a target beside the recipe, and the flags of the command line for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Flag:
    """A flag of ``fer-deploy run`` and ``export`` that sets one option of a target.

    Attributes:
        name: e.g. ``--ios``; the option is called the same.
        help: one line.
        kind: of its value; bool for a switch.
        metavar: how the help calls the value; None for click's own word.
    """

    name: str
    help: str
    kind: type[str] | type[int] | type[bool] = str
    metavar: str | None = None

    @property
    def option(self) -> str:
        """The name of the option, and of click's parameter."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class TargetOptions:
    """The options of a target that has none; one that has some brings a subclass, a frozen dataclass of defaults."""

    flags: ClassVar[tuple[Flag, ...]] = ()
    in_export: ClassVar[bool] = False
    """Whether they stand in ``[export]`` itself; else they have a table of their own, ``[export.TARGET]``."""
