"""JSON Schemas made from the pydantic models that read the files; what is shipped beside this is what this makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

from fer_deploy.contract import Contract
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.frozen import Frozen
from fer_deploy.model import Architecture, Weights
from fer_deploy.pipeline.config import Config

#: The newest that Taplo, which most TOML editors ask, reads in full.
DIALECT = "http://json-schema.org/draft-07/schema#"
#: Says nothing that the key itself does not, or is of no use in TOML.
_LEFT_OUT = ("title",)


def _contract() -> type[BaseModel]:
    """Return a model of contract.toml, and of model.toml, which has two tables more."""
    return create_model(
        "contract",
        __base__=Frozen,
        contract=(Contract, ...),
        architecture=(Architecture | None, Field(default=None, description="of a model folder's model.toml")),
        weights=(Weights | None, Field(default=None, description="of a model folder's model.toml")),
    )


#: Each schema's name to the model of the file.
_MODELS: dict[str, Callable[[], type[BaseModel]]] = {
    "config": lambda: Config,
    "contract": _contract,
    "profile": lambda: DeviceProfile,
}
#: Each schema's name to the files that it is of.
SCHEMAS = {
    "config": "fer-deploy.toml",
    "contract": "contract.toml and a model folder's model.toml",
    "profile": "a device profile",
}


def schema_text(name: str) -> str:
    """Return the schema called ``name``, one of ``SCHEMAS``, as indented JSON."""
    raw = _MODELS[name]().model_json_schema()
    schema = {"$schema": DIALECT, "title": f"fer-deploy: {SCHEMAS[name]}", **_plain(raw)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def shipped_file(name: str) -> Path:
    """Return where the schema called ``name`` lies in the package."""
    return Path(__file__).with_name(f"{name}.json")


def _words(docstring: str) -> str:
    """Return the first paragraph of a docstring without the marks that only Python's own tools read."""
    first = docstring.partition("\n\n")[0]
    return " ".join(re.sub(r":[a-z]+:`~?([^`]*)`", r"`\1`", first.replace("``", "`")).split())


def _plain(value: Any) -> Any:
    """Return a schema as TOML editors want it: without null, which TOML has not, and nothing beside a reference."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return {"$ref": value["$ref"].replace("#/$defs/", "#/definitions/")}
    plain: dict[str, Any] = {}
    for key, one in value.items():
        if key in ("properties", "patternProperties", "$defs"):
            home = "definitions" if key == "$defs" else key
            plain[home] = {name: _plain(below) for name, below in one.items()}
        elif key == "anyOf":
            kinds = [_plain(kind) for kind in one if kind != {"type": "null"}]
            plain |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        elif key == "description":
            plain[key] = _words(one)
        elif key not in _LEFT_OUT and not (key == "default" and one is None):
            plain[key] = one if key in ("default", "enum") else _plain(one)
    return {"$ref": plain["$ref"]} if "$ref" in plain else plain
