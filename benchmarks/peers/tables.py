"""The tables of docs/peers.md, from the result file: nothing is measured here and nothing is typed.

python benchmarks/peers/tables.py [--write]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generated import replace_section, table
from peers.results import Beside, Figures, NetworkResult, Ratio, Result, Row, read_result
from peers.roster import entrant

from fer_deploy.measure.measurement import Interval, Measurement
from fer_deploy.report.wording import describe
from fer_deploy.targets.registry import target_class

PAGE = Path("docs/peers.md")
HEADER = (
    "made by",
    "drop, points",
    "same top-1 as float",
    "SQNR, dB",
    "bytes",
    "bare",
    "time / float’s",
    "processor seconds",
    "lines",
)
BESIDE = ("peer", "runtime", "accuracy, points", "agreement, points", "SQNR, dB", "bare bytes", "time")
#: Runtimes as people call them; the targets' own names say their delegates too.
RUNTIMES = {"onnx": "ONNX Runtime", "executorch": "ExecuTorch", "litert": "LiteRT"}


def tables(result: Result) -> dict[str, str]:
    """Return the text of each section of the page, by its name."""
    found = {}
    for network in result.networks:
        found[f"peers {network.name}"] = _network(network)
        found[f"peers beside {network.name}"] = _beside(network)
    found["peers ahead"] = _ahead(result)
    found["peers conditions"] = _conditions(result)
    return found


def _network(network: NetworkResult) -> str:
    parts = [
        f"`{network.name}`: {network.parameters:,} parameters, {_plain(network.accuracy)} in float on "
        f"{network.dataset}, {network.images:,} images; {network.calibration_images} calibration images."
    ]
    for target in dict.fromkeys(row.target for row in network.rows):
        rows = [row for row in network.rows if row.target == target]
        parts.append(
            f"In {target_class(target).runtime if target != 'executorch' else 'ExecuTorch XNNPACK'}:"
        )
        parts.append(table(HEADER, [_row(row) for row in rows]))
        parts += [f"{row.name} has no file: `{row.failure}`" for row in rows if row.failure]
    parts.append(_timing(network))
    return "\n\n".join(parts)


def _row(row: Row) -> tuple[str, ...]:
    effort = (f"{row.processor_seconds:.0f}", str(row.lines))
    figures = row.figures
    if figures is None:
        return (row.name, *["–"] * 6, *effort)
    return (row.name, *_figures(figures), *effort)


def _figures(figures: Figures) -> tuple[str, ...]:
    return (
        _bare(figures.drop),
        _plain(figures.agreement),
        _bare(figures.sqnr),
        f"{figures.bytes:,}",
        f"{figures.bare_bytes:,}",
        _ratio(figures.time),
    )


def _timing(network: NetworkResult) -> str:
    timing = network.timing
    state = (
        "the machine was quiet"
        if timing.quiet
        else "**the machine was not quiet**, so a ratio of times is an indication"
    )
    return (
        f"Times: {timing.rounds} rounds of {timing.per_round} inferences, one thread, all files of a runtime by turns; "
        f"{state}: other programs took {timing.others_share:.0%} of its processors meanwhile, load average "
        f"{timing.load_before:.1f} before and {timing.load_after:.1f} after."
    )


def _beside(network: NetworkResult) -> str:
    rows = [
        (row.name, RUNTIMES[row.target], *_against(row.figures.beside))
        for row in network.rows
        if row.figures is not None and row.figures.beside is not None
    ]
    return table(BESIDE, rows)


def _against(beside: Beside) -> tuple[str, ...]:
    return (
        _marked(beside.accuracy),
        _marked(beside.agreement),
        _marked(beside.sqnr, signed=True),
        f"**{beside.bytes:.2f}x**" if beside.bytes < 1 else f"{beside.bytes:.2f}x",
        f"**{_ratio(beside.time)}**" if _faster(beside.time) else _ratio(beside.time),
    )


def _marked(figure: Measurement, signed: bool = False) -> str:
    text = _bare(figure)
    if signed and (figure.value or 0) > 0:
        text = f"+{text}"
    return f"**{text}**" if _leads(figure.interval) else text


def _leads(interval: Interval | None) -> bool:
    return interval is not None and interval.low > 0


def _faster(pace: Ratio) -> bool:
    return pace.interval is not None and pace.interval.high < 1


def _ahead(result: Result) -> str:
    """Return where peers are ahead beyond the interval, a line each, and on how many comparisons ours is."""
    lines = [line for network in result.networks for line in _ahead_lines(network)]
    counts = _counts(result)
    summary = "; ".join(
        f"{name}: peer ahead in {theirs}, fer-deploy in {ours}, neither in {total - theirs - ours} of {total}"
        for name, (theirs, ours, total) in counts.items()
    )
    return "\n".join(lines or ["- nowhere"]) + f"\n\nAll comparisons, by figure: {summary}."


def _ahead_lines(network: NetworkResult) -> Iterator[str]:
    for row, beside in _peers(network):
        leads = [
            f"{name} by {_bare(figure)} {unit}"
            for name, figure, unit in (
                ("accuracy", beside.accuracy, "points"),
                ("agreement", beside.agreement, "points"),
                ("SQNR", beside.sqnr, "dB"),
            )
            if _leads(figure.interval)
        ]
        leads += [f"bare bytes: {beside.bytes:.3f} of ours"] if beside.bytes < 1 else []
        leads += [f"time: {_ratio(beside.time)} of ours"] if _faster(beside.time) else []
        if leads:
            yield f"- `{network.name}`, {RUNTIMES[row.target]}: **{row.name}** is ahead in {'; '.join(leads)}"


def _peers(network: NetworkResult) -> Iterator[tuple[Row, Beside]]:
    """Yield the rows of peers, not of variants of ours, that are compared with ours."""
    for row in network.rows:
        against = None if row.figures is None else row.figures.beside
        if against is not None and not entrant(row.key).ours:
            yield row, against


def _counts(result: Result) -> dict[str, tuple[int, int, int]]:
    found: dict[str, list[int]] = {}
    for network in result.networks:
        for _, beside in _peers(network):
            pace = beside.time.interval
            verdicts = {
                "accuracy": _sign(beside.accuracy.interval),
                "agreement": _sign(beside.agreement.interval),
                "SQNR": _sign(beside.sqnr.interval),
                "bare bytes": (beside.bytes < 1) - (beside.bytes > 1),
                "time": 0 if pace is None else (pace.high < 1) - (pace.low > 1),
            }
            for name, verdict in verdicts.items():
                found.setdefault(name, []).append(verdict)
    return {name: (seen.count(1), seen.count(-1), len(seen)) for name, seen in found.items()}


def _sign(interval: Interval | None) -> int:
    return 0 if interval is None else (interval.low > 0) - (interval.high < 0)


def _conditions(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    changed = " with changes that were not committed" if result.changed else ""
    weights = ", ".join(f"`{one.name}` {one.weights_sha256[:12]}" for one in result.networks)
    return (
        f"`python benchmarks/peers/run.py`, {result.date}, commit {result.commit}{changed}, {result.processor}; "
        f"{versions}; weights sha256 {weights}."
    )


def _plain(figure: Measurement) -> str:
    return describe(figure).removesuffix(" (measured)")


def _bare(figure: Measurement) -> str:
    return _plain(figure).replace(" points", "").replace(" dB", "")


def _ratio(found: Ratio) -> str:
    bounds = "" if found.interval is None else f" [{found.interval.low:.2f}, {found.interval.high:.2f}]"
    return f"{found.value:.2f}x{bounds}"


@click.command()
@click.option("--write", is_flag=True, help="Replace the tables in docs/peers.md.")
def main(write: bool) -> None:
    """Print the tables."""
    for name, text in tables(read_result()).items():
        click.echo(f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->\n")
        if write:
            replace_section(PAGE, name, text)


if __name__ == "__main__":
    main()
