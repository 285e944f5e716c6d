"""Values that do not change: the base of every stored form, and what stands where a figure is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fer_deploy.names import meant


class Frozen(BaseModel):
    """A pydantic model that is immutable and refuses unknown keys, NaN and infinity (JSON has neither)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Unknown(Frozen):
    """Stands where something cannot be known, with the reason, for people."""

    reason: str


def first_problem(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Return the first problem of a pydantic error as ``where: what``.

    Args:
        error: of validating a ``kind``.
        kind: with it, an unknown key is told from the one that was probably meant.
    """
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    where = ".".join(str(part) for part in place) or "top level"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = keys_at(kind, place[:-1]) if kind is not None else ()
        return f"{where}: unknown key{meant(str(place[-1]), known)}"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def keys_at(kind: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys that a table of a model may have; ``place`` is where it stands, as pydantic's errors have it."""
    schema = kind.model_json_schema()
    tables = list(_forms(schema, schema))
    for part in place:
        tables = [form for table in tables for one in _below(table, part) for form in _forms(one, schema)]
    return tuple(dict.fromkeys(key for table in tables for key in table.get("properties", {})))


def _forms(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a schema stands for: what it refers to, and each of its alternatives."""
    if "$ref" in schema:
        yield from _forms(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _forms(one, root)
    else:
        yield schema


def _below(schema: dict[str, Any], part: int | str) -> Iterator[dict[str, Any]]:
    """Yield the schema of what stands under a key or an index."""
    below = (
        schema.get("items")
        if isinstance(part, int)
        else schema.get("properties", {}).get(part, schema.get("additionalProperties"))
    )
    if isinstance(below, dict):
        yield below
