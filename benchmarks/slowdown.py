"""Whether `check --against` sees a planted slowdown on this machine, and imagines none.

    PYTHONPATH=.:tests python benchmarks/slowdown.py ARTIFACT [--trials 10] [--planted 5]

ARTIFACT is the folder of an ONNX artifact. It is timed against a copy of itself, and against one that keeps the
processor busy for a share of each inference more, so many times each. Prints a table of what was found.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path

from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.measure.slowdown import Slowdown, time_against
from fer_deploy.targets.artifact import Artifact, open_artifact
from fer_deploy.targets.registry import register
from fixtures.delayed_target import DelayedTarget, delayed


def trials(earlier: Artifact, later: Artifact, limit: float, count: int) -> list[Slowdown]:
    """Return what so many comparisons found."""
    return [time_against(HostTransport(), earlier, later, limit) for _ in range(count)]


def row(name: str, found: list[Slowdown], limit: float, seconds: float) -> str:
    """Return a line of the table."""
    counts = Counter(one.finding(limit) for one in found)
    values = sorted(one.value for one in found)
    cells = [name, str(len(found)), *(str(counts[kind]) for kind in ("slower", "not slower", "not known"))]
    cells += [
        f"{values[0]:+.1%} to {values[-1]:+.1%}",
        f"{sum(one.rounds for one in found) / len(found):.0f}",
    ]
    return "| " + " | ".join((*cells, f"{seconds / len(found):.0f}")) + " |"


def main() -> None:
    """Run the comparisons and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--planted", type=float, default=5.0, help="per cent")
    arguments = parser.parse_args()
    register(DelayedTarget)
    limit = arguments.planted / 100
    print(f"{arguments.artifact.name} on {platform.processor() or platform.machine()}, limit {limit:.0%}\n")
    print("| later artifact | comparisons | slower | not slower | not known | found | rounds | s each |")
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory() as scratch:
        plain = open_artifact(arguments.artifact)
        earlier = delayed(plain, Path(scratch) / "earlier", 0.0)
        for name, share in (("a copy", 0.0), (f"{limit:.0%} longer", limit)):
            later = delayed(plain, Path(scratch) / f"later-{share}", share)
            start = time.monotonic()
            found = trials(earlier, later, limit, arguments.trials)
            print(row(name, found, limit, time.monotonic() - start), flush=True)


if __name__ == "__main__":
    main()
