"""Writes docs/conformance.md: what became of every network on every target.

    PYTHONPATH=.:tests python -m conformance.table [--cache FILE] [--output FILE] [NAME ...]

Every network takes about 20 s. What was found is kept in a cache outside the repository, so that an interrupted run
goes on where it stopped; it is thrown away when a source of fer-deploy or of the networks changes. With names, these
networks are run anew, and the table is of what the cache holds. Exits 1 where an artifact is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import conformance.networks  # noqa: F401
from conformance.faces import bench, real_faces
from conformance.harness import RECIPES, TARGETS, Verdict, check
from conformance.registry import NETWORKS, Network

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = (_ROOT / "fer_deploy", _ROOT / "tests" / "conformance")
_CACHE = Path(tempfile.gettempdir()) / "fer-deploy-conformance.json"
_PAIRS = tuple(f"{target} {recipe}" for target in TARGETS for recipe in RECIPES)
_HEADINGS = ("ExecuTorch float", "int8", "ONNX float", "int8", "Core ML float", "int8")

#: The verdicts of one network, by "target recipe".
Row = dict[str, Verdict]


def sources() -> str:
    """Return a digest of everything that a verdict depends on."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted(folder.rglob("*.py")):
            if file != Path(__file__):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def read_cache(file: Path) -> dict[str, Row]:
    """Return what earlier runs found, nothing where the sources are others."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if kept["sources"] != sources():
        return {}
    return {name: {pair: Verdict(**one) for pair, one in row.items()} for name, row in kept["rows"].items()}


def write_cache(file: Path, rows: dict[str, Row]) -> None:
    """Keep what was found."""
    plain = {name: {pair: asdict(one) for pair, one in row.items()} for name, row in rows.items()}
    file.write_text(json.dumps({"sources": sources(), "rows": plain}), encoding="utf-8")


def row_of(network: Network) -> Row:
    """Run one network."""
    return {" ".join(pair): verdict for pair, verdict in check(network).items()}


def cell(verdict: Verdict, notes: dict[str, int]) -> str:
    """Return a cell of the table; ``notes`` numbers the sentences that do not fit into it."""
    if verdict.kind == "right":
        return f"{verdict.sqnr:.0f}"
    number = notes.setdefault(verdict.text, len(notes) + 1) if verdict.text else 0
    if verdict.kind == "refused":
        return f"refused ({number})"
    return f"**wrong** ({number})" if number else f"**wrong: {verdict.sqnr:.0f}**"


def table(rows: dict[str, Row]) -> Iterable[str]:
    """Yield the lines of the document."""
    verdicts = [one for row in rows.values() for one in row.values()]
    counts = {kind: sum(one.kind == kind for one in verdicts) for kind in ("right", "refused", "wrong")}
    faces = bench().test.name if real_faces() else "drawn faces: FER+ was not there"
    yield "# What a network may be made of"
    yield ""
    yield (
        f"{len(rows)} small networks, one for each pattern that people bring, each exported to three targets in float "
        f"and in int8 (w8a8-ptq, 64 calibration images). Of {len(verdicts)} artifacts {counts['right']} are right, "
        f"{counts['refused']} are refused and {counts['wrong']} are wrong."
    )
    yield ""
    yield (
        f"A number is the SQNR of the artifact's logits against torch's in float, in dB, on faces of {faces} that "
        "calibration did not see. A float artifact is right from 60 dB on (less where the network itself computes in "
        "half precision). An int8 artifact is right when it is at most 3 dB below an int8 graph that torchao makes "
        "alone, or has 25 dB. The networks are not trained, and a few are built to be hard on int8; what a trained one "
        "loses is on its own card. *Refused* means that nothing was written; the sentence that says why and what to do "
        "stands under the table."
    )
    yield ""
    yield "Written by `PYTHONPATH=.:tests python -m conformance.table` from `tests/conformance/networks/`."
    left = [name for name in NETWORKS if name not in rows]
    if left:
        yield ""
        yield f"**Not run**, because the command was stopped before it was through: {', '.join(left)}."
    listed = [NETWORKS[name] for name in rows]
    for kind, networks in groupby(listed, key=lambda network: network.kind):
        notes: dict[str, int] = {}
        yield from ("", f"## {kind}", "", "| Network | " + " | ".join(_HEADINGS) + " |", "|---" * 7 + "|")
        for network in networks:
            cells = (cell(rows[network.name][pair], notes) for pair in _PAIRS)
            pattern = network.pattern.replace("|", "\\|")
            yield f"| {pattern} (`{network.name}`) | " + " | ".join(cells) + " |"
        if notes:
            yield ""
        for text, number in notes.items():
            yield f"({number}) {text}  "


def main() -> int:
    """Run what the cache lacks and write the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="run these networks anew")
    parser.add_argument("--cache", type=Path, default=_CACHE)
    parser.add_argument("--output", type=Path, default=_ROOT / "docs" / "conformance.md")
    arguments = parser.parse_args()
    rows = read_cache(arguments.cache)
    for name in arguments.names or [name for name in NETWORKS if name not in rows]:
        rows[name] = row_of(NETWORKS[name])
        write_cache(arguments.cache, rows)
        print(name, *(f"{pair}: {one.kind}" for pair, one in rows[name].items()), sep="  ", flush=True)
    ordered = {name: rows[name] for name in NETWORKS if name in rows}
    arguments.output.write_text("\n".join(table(ordered)) + "\n", encoding="utf-8")
    return int(any(one.kind == "wrong" for row in rows.values() for one in row.values()))


if __name__ == "__main__":
    sys.exit(main())
