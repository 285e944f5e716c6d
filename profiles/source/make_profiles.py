"""Writes the profiles of phones, one file each, from the table in phones.toml.

`python profiles/source/make_profiles.py` writes them; with --check it only says which differ from the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parent / "phones.toml"
FOLDER = TABLE.parent.parent
#: First line of every file that is written here; no other file in the folder begins with it.
MARK = "# Generated from profiles/source/phones.toml by `python profiles/source/make_profiles.py`; edit that table."

_FAMILY = {"note", "os", "transport", "targets", "delegates"}
_CHIP = {"family", "note", "soc", "cores", "memory_bandwidth_gb_s", "accelerators", "qemu_cpu"}
_CHIP |= {"delegates", "features_from", "sources"}
_PHONE = {"name", "market_name", "chip", "aliases", "match", "sources", "soc_from", "match_from"}
_TABLES = {"where", "features", "families", "chips", "phones"}

Table = Mapping[str, Any]


class TableError(ValueError):
    """The table does not say what a profile needs."""


def read_table(path: Path = TABLE) -> Table:
    """Return the table.

    Raises:
        TableError: a key is not known, or what a key names is not there.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    _known(table, _TABLES, "the table")
    for family, values in table["families"].items():
        _known(values, _FAMILY, f"families.{family}")
    for chip, values in table["chips"].items():
        _known(values, _CHIP, f"chips.{chip}")
    names = [phone["name"] for phone in table["phones"]]
    for phone in table["phones"]:
        _known(phone, _PHONE, f"phone {phone['name']}")
        if names.count(phone["name"]) > 1:
            raise TableError(f"phone {phone['name']} is there twice")
    unused = set(table["chips"]) - {phone["chip"] for phone in table["phones"]}
    if unused:
        raise TableError(f"no phone has the chip {min(unused)}")
    return table


def _known(values: Table, keys: Iterable[str], owner: str) -> None:
    stray = set(values) - set(keys)
    if stray:
        raise TableError(f"{owner}: unknown key {min(stray)}")


def _named(table: Table, kind: str, name: str, owner: str) -> Any:
    if name not in table[kind]:
        raise TableError(f"{owner}: {kind} has no {name}")
    return table[kind][name]


def profile_texts(table: Table) -> dict[str, str]:
    """Return the content of every profile by its name."""
    return {phone["name"]: _text(table, phone) for phone in table["phones"]}


def _text(table: Table, phone: Table) -> str:
    chip = _named(table, "chips", phone["chip"], phone["name"])
    family = _named(table, "families", chip["family"], f"chips.{phone['chip']}")
    return "\n".join(_lines(table, phone, chip, family)) + "\n"


def _lines(table: Table, phone: Table, chip: Table, family: Table) -> Iterator[str]:
    yield MARK
    note = chip.get("note", family["note"])
    if note:
        yield f"# {note}"
    yield f"name = {_value(phone['name'])}"
    yield f"market_name = {_value(phone['market_name'])}"
    if "aliases" in phone:
        yield f"aliases = {_value(phone['aliases'])}"
    yield f"soc = {_value(chip['soc'])}"
    yield f"os = {_value(family['os'])}"
    yield f"transport = {_value(family['transport'])}"
    if "memory_bandwidth_gb_s" in chip:
        yield f"memory_bandwidth_gb_s = {_value(chip['memory_bandwidth_gb_s'])}"
    yield f"targets = {_value(family['targets'])}"
    if "qemu_cpu" in chip:
        yield f"qemu_cpu = {_value(chip['qemu_cpu'])}"
    yield from _block("[delegates]", chip.get("delegates", family["delegates"]))
    yield from _block("[match]", phone["match"])
    for cluster in chip.get("cores", ()):
        known = _named(table, "features", cluster["microarchitecture"], f"chips.{phone['chip']}")
        yield from _block("[[cores]]", {**cluster, **({"features": known} if known else {})})
    for accelerator in chip.get("accelerators", ()):
        yield from _block("[[accelerators]]", accelerator)
    for where, figures in _sources(table, phone, chip):
        yield from _block("[[sources]]", {"figures": figures, "where": where})


def _block(head: str, values: Table) -> Iterator[str]:
    yield ""
    yield head
    for key, value in values.items():
        yield f"{key} = {_value(value)}"


def _sources(table: Table, phone: Table, chip: Table) -> list[tuple[str, list[str]]]:
    """Return where the figures come from, each place once, in the order of the table."""
    cited: list[tuple[str, Sequence[str]]] = []
    for source in (*chip.get("sources", ()), *phone.get("sources", ())):
        cited.append((source["where"], source["figures"]))
    if "soc_from" in phone:
        cited.append((phone["soc_from"], ["soc"]))
    if chip.get("cores"):
        cited.append((chip.get("features_from", "llvm"), ["cores"]))
    cited.append((phone["match_from"], ["match"]))
    found: dict[str, list[str]] = {}
    for key, figures in cited:
        where = _named(table, "where", key, phone["name"])
        found.setdefault(where, []).extend(figure for figure in figures if figure not in found.get(where, ()))
    return list(found.items())


def _value(value: Any) -> str:
    """Return a TOML value on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    return str(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def differences(texts: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Return one sentence for every file of ``folder`` that is not what the table gives, sorted."""
    found = []
    for name, text in texts.items():
        path = folder / f"{name}.toml"
        if not path.is_file():
            found.append(f"{path.name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{path.name} differs from the table")
    found += [f"{path.name} is no longer in the table" for path in _stale(texts, folder)]
    return sorted(found)


def _stale(texts: Mapping[str, str], folder: Path) -> list[Path]:
    return [
        path
        for path in folder.glob("*.toml")
        if path.stem not in texts and path.read_text(encoding="utf-8").startswith(MARK)
    ]


def write(texts: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Write every profile into ``folder`` and remove those that the table no longer has."""
    for path in _stale(texts, folder):
        path.unlink()
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the profiles; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Write the profiles of phones from profiles/source/phones.toml."
    )
    parser.add_argument(
        "--check", action="store_true", help="only say which files differ; exit code 1 if any does"
    )
    asked = parser.parse_args(arguments)
    try:
        texts = profile_texts(read_table())
    except TableError as error:
        print(f"phones.toml: {error}", file=sys.stderr)
        return 2
    if not asked.check:
        write(texts)
        print(f"wrote {len(texts)} profiles")
        return 0
    found = differences(texts)
    for sentence in found:
        print(sentence, file=sys.stderr)
    if found:
        print("run python profiles/source/make_profiles.py", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
