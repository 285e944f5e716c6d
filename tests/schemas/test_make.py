"""The shipped schemas are those of the models, and hold of the files that the models read and of no others."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.schemas.make import SCHEMAS, schema_text, shipped_file

ROOT = Path(__file__).resolve().parents[2]
#: Words of a schema that :func:`problems` knows; another one in a schema would go unheeded there.
KNOWN = {
    "$schema", "$ref", "definitions", "title", "description", "default", "format", "type", "properties",
    "additionalProperties", "required", "items", "minItems", "maxItems", "enum", "const", "anyOf", "pattern",
    "patternProperties", "propertyNames", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minLength", "maxLength",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield what contradicts a schema, by the words of JSON Schema that ours use."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        assert len(schema) == 1, "editors pass over what stands beside a reference"
        schema = root["definitions"][schema["$ref"].removeprefix("#/definitions/")]
    if "anyOf" in schema and all(list(problems(value, one, root, where)) for one in schema["anyOf"]):
        yield f"{where}: no alternative"
    if "type" in schema and (
        not isinstance(value, TYPES[schema["type"]])
        or (isinstance(value, bool) and schema["type"] != "boolean")
    ):
        yield f"{where}: no {schema['type']}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{where}: {value!r} is none of them"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{where}: pattern"
    if isinstance(value, (int, float)) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        yield f"{where}: range"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{where}: too few"
        for index, one in enumerate(value):
            yield from problems(one, schema.get("items", {}), root, f"{where}[{index}]")
    if isinstance(value, dict):
        yield from (f"{where}: no {key}" for key in schema.get("required", []) if key not in value)
        more = schema.get("additionalProperties", True)
        for key, one in value.items():
            fitting = (
                kind for words, kind in schema.get("patternProperties", {}).items() if re.search(words, key)
            )
            below = schema.get("properties", {}).get(key, next(fitting, more))
            yield from problems(key, schema.get("propertyNames", {}), root, f"{where}.{key}")
            if below is False:
                yield f"{where}.{key}: unknown"
            elif isinstance(below, dict):
                yield from problems(one, below, root, f"{where}.{key}")


def found(name: str, text: str) -> list[str]:
    schema = json.loads(schema_text(name))
    return list(problems(tomllib.loads(text), schema, schema))


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_shipped_is_up_to_date_and_printed(name: str) -> None:
    says = f"call `fer-deploy schema {name} > fer_deploy/schemas/{name}.json`"
    assert shipped_file(name).read_text(encoding="utf-8") == schema_text(name), says
    assert CliRunner().invoke(main, ["schema", name]).stdout == schema_text(name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("config", "fer-deploy.toml"),
        *(("contract", f"models/{model}/model.toml") for model in ("fer_s", "fer_m_fer2013")),
        *(
            ("profile", path.relative_to(ROOT).as_posix())
            for path in sorted((ROOT / "profiles").glob("*.toml"))
        ),
    ],
)
def test_every_file_of_ours_fits(name: str, file: str) -> None:
    assert found(name, (ROOT / file).read_text(encoding="utf-8")) == []


def test_the_commented_keys_of_the_example_fit_too() -> None:
    text = (ROOT / "fer-deploy.toml").read_text(encoding="utf-8")
    whole = re.sub(r"^# (?=\[|[a-z_0-9]+ = )", "", text, flags=re.MULTILINE)
    assert "[export.coreml]" in whole.splitlines()
    assert found("config", whole) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config", "[model]\npth = 'x'", [".model: no path", ".model.pth: unknown"]),
        ("config", "[data]\nkind = 'folder'", [": no model"]),
        ("config", "[model]\npath = 'x'\n[budget]\nmax_flips = true", [".budget.max_flips: no alternative"]),
        (
            "config",
            "[model]\npath = 'x'\n[budget.devices.x]\nmax_flip = 1",
            [".budget.devices.x.max_flip: unknown"],
        ),
        ("config", "[model]\npath = 'x'\n[export]\noptions = {}", [".export.options: unknown"]),
        ("config", "[model]\npath = 'x'\n[export.coreml]\nois = 17", [".export.coreml.ois: unknown"]),
        (
            "contract",
            "[contract]\nlabels = ['a']",
            [".contract: no input", ".contract: no trained_on", ".contract.labels: too few"],
        ),
        ("profile", "name = 'A'", [".name: pattern"]),
    ],
)
def test_what_does_not_fit_is_seen(name: str, text: str, said: list[str]) -> None:
    assert set(said) <= set(found(name, text))
