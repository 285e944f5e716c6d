"""Writes docs/conformance.md: what became of every network on every target.

    PYTHONPATH=.:tests python -m conformance.table [--verdicts FILE] [--output FILE] [--all] [--target NAME] [NAME ...]

Every network takes 15 to 30 s, so that all of them take hours on two cores. What was found is kept in verdicts.json,
row by row with the commit it was found at: a run that is interrupted goes on where it stopped, and the document says
how old its rows are. ``--all`` runs every network anew, names run these anew; ``--target`` runs one target only and
leaves what was found of the others. Exits 1 where an artifact is wrong.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path

import conformance.networks  # noqa: F401
from conformance.faces import bench
from conformance.harness import RECIPES, TARGETS, Verdict, check
from conformance.registry import NETWORKS, Network
from fixtures.real_data import real_faces

_ROOT = Path(__file__).resolve().parents[2]
_VERDICTS = Path(__file__).with_name("verdicts.json")
_PAIRS = tuple(f"{target} {recipe}" for target in TARGETS for recipe in RECIPES)
_HEADINGS = (
    "ExecuTorch float",
    "int8",
    "ONNX float",
    "int8",
    "Core ML float",
    "int8",
    "LiteRT float",
    "int8",
)


@dataclass(frozen=True)
class Row:
    """What became of one network.

    Attributes:
        commit: of the sources that it was run with, with a ``+`` where they had been changed since.
        verdicts: by "target recipe".
        later: target to commit, of those that were run by themselves since.
    """

    commit: str
    verdicts: dict[str, Verdict]
    later: dict[str, str] = field(default_factory=dict)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The targets that it has no verdict of."""
        return tuple(
            name for name in TARGETS if any(f"{name} {recipe}" not in self.verdicts for recipe in RECIPES)
        )


def commit() -> str:
    """Return the commit of these sources, with a ``+`` where something differs from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=8", "--dirty=+", "--exclude=*"],
        cwd=_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def read_verdicts(file: Path) -> dict[str, Row]:
    """Return what earlier runs found."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {
        name: Row(
            row["commit"],
            {pair: Verdict(**verdict) for pair, verdict in row["verdicts"].items()},
            row.get("later", {}),
        )
        for name, row in kept.items()
    }


def write_verdicts(file: Path, rows: dict[str, Row]) -> None:
    """Keep what was found."""
    lines = (f"{json.dumps(name)}: {json.dumps(asdict(rows[name]))}" for name in NETWORKS if name in rows)
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def row_of(network: Network, kept: Row | None = None, targets: tuple[str, ...] = TARGETS) -> Row:
    """Run one network, on some targets where the others' verdicts are ``kept``."""
    return with_verdicts(kept, check(network, targets), targets)


def with_verdicts(kept: Row | None, found: dict[tuple[str, str], Verdict], targets: tuple[str, ...]) -> Row:
    """Return a row with what was found at this commit, of some targets where the others' verdicts are ``kept``."""
    verdicts = {" ".join(pair): verdict for pair, verdict in found.items()}
    if kept is None or targets == TARGETS:
        return Row(commit(), verdicts)
    later = kept.later | dict.fromkeys(targets, commit())
    return replace(kept, verdicts=kept.verdicts | verdicts, later=later)


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
    counts = Counter(verdict.kind for row in rows.values() for verdict in row.verdicts.values())
    faces = bench().test.name if real_faces() else "drawn faces: FER+ was not there"
    yield "# What a network may be made of"
    yield ""
    yield (
        f"{len(rows)} small networks, one for each pattern that people bring, each exported to four targets in float "
        f"and in int8 (w8a8-ptq, 64 calibration images). Of {counts.total()} artifacts {counts['right']} are right, "
        f"{counts['refused']} are refused and {counts['wrong']} are wrong."
    )
    yield ""
    yield (
        f"A number is the SQNR of the artifact's logits against torch's in float, in dB, on faces of {faces} that "
        "calibration did not see. A float artifact is right from 60 dB on (less where the network itself computes in "
        "half precision). An int8 artifact is right when it is at most 3 dB below an int8 graph that torchao makes "
        "alone (6 dB for a recurrent layer that this graph leaves in float), or has 25 dB. "
        "The networks are not trained, and a few are built to be hard on int8; what a trained one "
        "loses is on its own card. *Refused* means that nothing was written; the sentence that says why and what to do "
        "stands under the table."
    )
    yield ""
    commits = Counter(row.commit for row in rows.values())
    ages = ", ".join(f"{name} ({count})" for name, count in commits.most_common())
    later = Counter((target, name) for row in rows.values() for target, name in row.later.items())
    ages += "".join(
        f"; {target} by itself since: {name} ({count})" for (target, name), count in later.most_common()
    )
    yield (
        "Written by `PYTHONPATH=.:tests python -m conformance.table` from `tests/conformance/networks/`. Commits at "
        f"which the networks were run: {ages}."
    )
    left = [name for name in NETWORKS if name not in rows]
    if left:
        yield ""
        yield f"**Not run**, because the command was stopped before it was through: {', '.join(left)}."
    listed = [NETWORKS[name] for name in rows]
    for kind, networks in groupby(listed, key=lambda network: network.kind):
        notes: dict[str, int] = {}
        yield from (
            "",
            f"## {kind}",
            "",
            "| Network | " + " | ".join(_HEADINGS) + " |",
            "|---" * (1 + len(_PAIRS)) + "|",
        )
        for network in networks:
            cells = (cell(rows[network.name].verdicts[pair], notes) for pair in _PAIRS)
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
    parser.add_argument("--all", action="store_true", help="run every network anew")
    parser.add_argument("--verdicts", type=Path, default=_VERDICTS)
    parser.add_argument("--output", type=Path, default=_ROOT / "docs" / "conformance.md")
    parser.add_argument("--target", choices=TARGETS, help="run this target only")
    arguments = parser.parse_args()
    rows = read_verdicts(arguments.verdicts)
    for name in arguments.names or list(NETWORKS):
        kept = rows.get(name)
        wanted = TARGETS if kept is None or arguments.all or arguments.names else kept.lacks
        if kept is not None and arguments.target is not None:
            anew = arguments.all or arguments.names or arguments.target in kept.lacks
            wanted = (arguments.target,) if anew else ()
        if not wanted:
            continue
        rows[name] = row_of(NETWORKS[name], kept, wanted)
        write_verdicts(arguments.verdicts, rows)
        said = (f"{pair}: {verdict.kind}" for pair, verdict in rows[name].verdicts.items())
        print(name, *said, sep="  ", flush=True)
    ordered = {name: rows[name] for name in NETWORKS if name in rows}
    arguments.output.write_text("\n".join(table(ordered)) + "\n", encoding="utf-8")
    return int(any(verdict.kind == "wrong" for row in rows.values() for verdict in row.verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
