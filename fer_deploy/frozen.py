"""Values that do not change: the base of every stored form, and what stands where a figure is not known."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Frozen(BaseModel):
    """A pydantic model that is immutable and refuses unknown keys, NaN and infinity (JSON has neither)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Unknown(Frozen):
    """Stands where something cannot be known, with the reason, for people."""

    reason: str


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a pydantic error as ``where: what``."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "top level"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
