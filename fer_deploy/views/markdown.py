"""The report as GitHub-flavoured Markdown, for pull requests, job summaries and chats."""

from __future__ import annotations

import html
from collections.abc import Iterator

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.report.wording import LEGEND, MARKS, UNITS_NOTE, Footnotes, amount, clean, describe, interval
from fer_deploy.views.device_tables import device_table, invalid_timings, runtimes
from fer_deploy.views.gaps import footnotes, gaps, place
from fer_deploy.views.layer_tables import (
    NOISE_NOTE,
    TIME_NOTE,
    missing_layers,
    noise_table,
    noisiest,
    slowest,
    time_table,
)
from fer_deploy.views.markdown_text import escape, row
from fer_deploy.views.markdown_verdicts import verdict_section
from fer_deploy.views.tables import (
    INVALID,
    Cell,
    Sentence,
    Table,
    accuracy_table,
    artifact_table,
    between_table,
    class_table,
    flip_count,
    flip_groups,
    headline,
    model_sentence,
    parity_table,
    table_grounds,
    without_recall,
)


def render_markdown(report: Report, check: Check | None = None) -> str:
    """Return the report as Markdown: tables, then footnotes with the reasons for what was not measured.

    With a ``check`` of the report its verdicts come first.
    """
    return _Document(report, check).text()


class _Document:
    """Renders the sections of one report with one numbering of the reasons."""

    def __init__(self, report: Report, check: Check | None) -> None:
        self._report = report
        self._check = check
        self._numbers: Footnotes = footnotes(report)

    def text(self) -> str:
        sections = (
            self._head(),
            verdict_section(self._check) if self._check else (),
            self._warnings(),
            self._section("Artifacts", artifact_table(self._report)),
            self._section("Parity with the float model", parity_table(self._report)),
            self._section("Further accuracy figures", accuracy_table(self._report)),
            self._classes(),
            self._section("Targets against each other", between_table(self._report)),
            self._devices(),
            self._layers(),
            self._artifacts(),
            self._flips(),
            self._origin(),
            self._gaps(),
        )
        return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"

    def _head(self) -> Iterator[str]:
        report = self._report
        yield f"# Deployment report: {escape(report.model.name)}"
        yield ""
        yield self._sentence(model_sentence(report))
        yield ""
        yield f"{escape(report.created)}, {escape(report.command)}"
        yield ""
        for provenance, meaning in LEGEND.items():
            mark = "footnote" if provenance is Provenance.NOT_MEASURED else MARKS[provenance]
            yield f"- {mark} **{provenance}**: {meaning}"
        yield ""
        yield UNITS_NOTE

    def _warnings(self) -> Iterator[str]:
        if self._report.warnings:
            yield "## Warnings"
            yield ""
            yield from (f"- {escape(warning)}" for warning in self._report.warnings)

    def _section(self, title: str, table: Table, level: int = 2) -> Iterator[str]:
        """Yield a heading, the table and how its figures were obtained; nothing for a table without rows."""
        if not table.rows:
            return
        yield f"{'#' * level} {escape(title)}"
        yield ""
        yield from self._table(table)
        if table_grounds(table):
            yield ""
            yield "<details><summary>How these figures were obtained</summary>"
            yield from self._grounds(table)
            yield ""
            yield "</details>"

    def _grounds(self, table: Table) -> Iterator[str]:
        yield ""
        yield from (f"- {escape(way)} — {escape(where)}" for way, where in table_grounds(table).items())

    def _classes(self) -> Iterator[str]:
        yield from self._section("Recall per class", class_table(self._report))
        rest = without_recall(self._report)
        if rest.rows:
            yield ""
            yield from (f"- {escape(name)}: {self._cell(cells[0])}" for name, cells in rest.rows)

    def _devices(self) -> Iterator[str]:
        yield "## Devices"
        if not self._report.devices:
            yield ""
            yield "No device was part of this run."
        for device in self._report.devices:
            yield ""
            yield from self._section(device.market_name, device_table(device), level=3)
            for artifact, why in invalid_timings(device):
                yield ""
                yield f"**{INVALID} timing of {escape(artifact)}**, not to be quoted: {escape(why)}"
            used = "; ".join(f"{name} ({', '.join(keys)})" for name, keys in runtimes(device).items())
            yield ""
            yield escape(
                f"{device.name}: {device.soc}, {device.os}, transport {device.transport}. Runtimes: {used}"
            )

    def _layers(self) -> Iterator[str]:
        report = self._report
        timed = [(device, one) for device in report.devices for one in device.figures if one.layers]
        if report.graphs or timed:
            yield "## Layers"
        for graph in report.graphs:
            worst = ", ".join(f"{one.name} ({amount(one.sqnr)})" for one in noisiest(graph.layers))
            if worst:
                yield ""
                yield f"Most noise in the graph of {escape(f'{graph.recipe}: {worst}')}. {NOISE_NOTE}"
                yield from self._folded(f"SQNR of each layer, {graph.recipe}", noise_table(report, graph))
        if timed:
            yield ""
            yield TIME_NOTE
        for device, one in timed:
            first = ", ".join(f"{layer.layer or layer.name} {amount(layer.share)}" for layer in slowest(one))
            title = f"{one.artifact} on {device.market_name}: {first}"
            if one.invalid:
                title += f" (taken with an {INVALID} timing)"
            yield from self._folded(title, time_table(one))
        missing = missing_layers(report)
        if missing:
            yield ""
        for name, owners, figure in missing:
            yield f"- {escape(name)} ({escape(', '.join(owners))}): {self._cell(figure)}"

    def _folded(self, title: str, table: Table) -> Iterator[str]:
        """Yield a table behind its title. Inside <summary> GitHub reads HTML, not Markdown."""
        yield ""
        yield f"<details><summary>{html.escape(clean(title))}</summary>"
        yield ""
        yield from self._table(table)
        yield from self._grounds(table)
        yield ""
        yield "</details>"

    def _artifacts(self) -> Iterator[str]:
        if self._report.artifacts:
            yield "## Each artifact"
        for one in self._report.artifacts:
            yield ""
            yield f"- **{escape(one.key)}**: {self._sentence(headline(self._report, one))}"
            yield f"  {escape(f'{one.path}/{one.file}')}, sha256 {escape(one.sha256)}{self._left_over(one)}"

    def _left_over(self, one: ArtifactReport) -> str:
        names = ", ".join(f"{count} {name}" for name, count in one.delegation.not_delegated.items())
        return f"; not delegated: {escape(names)}" if names else ""

    def _flips(self) -> Iterator[str]:
        if not self._report.artifacts:
            return
        yield "## Flipped images"
        yield ""
        yield f"By row in {escape(self._report.dataset.name)}; pictures are never part of a report."
        for one in self._report.artifacts:
            yield ""
            agreement = one.parity.agreement
            if not agreement.known:
                yield f"**{escape(one.key)}**: {self._cell(agreement)}"
                continue
            count = f"{flip_count(one)} {MARKS[agreement.provenance]}"
            if not one.parity.flips:
                yield f"**{escape(one.key)}**: {count}"
                continue
            # Inside <summary> GitHub reads HTML, not Markdown.
            yield f"<details><summary><b>{html.escape(clean(one.key))}</b>: {count}</summary>"
            yield ""
            groups = tuple(
                (
                    group.label,
                    (
                        group.reference,
                        group.artifact,
                        f"{len(group.rows):,}",
                        ", ".join(map(str, group.rows)),
                    ),
                )
                for group in flip_groups(one.parity.flips)
            )
            yield from self._table(
                Table("true class", ("float says", "artifact says", "images", "rows"), groups)
            )
            yield ""
            yield "</details>"

    def _origin(self) -> Iterator[str]:
        report, calibration = self._report, self._report.calibration
        trained = report.model.contract.trained_on
        yield "## Where this comes from"
        yield ""
        yield f"- Model: {escape(report.model.source)}, weights sha256 {escape(report.model.weights_sha256)}"
        yield f"- Contract: sha256 {escape(report.model.contract_sha256)}"
        trained_on = (trained.dataset, trained.split, trained.note)
        yield f"- Trained on: {escape(' '.join(part for part in trained_on if part))}"
        yield f"- Tested on: {escape(report.dataset.name)}, {_counts(report.dataset.per_class)}"
        if calibration is not None:
            how = f"{calibration.images:,} images, {calibration.observer} observer, seed {calibration.seed}"
            yield f"- Calibrated on: {escape(f'{calibration.dataset}, {how}')}; {_counts(calibration.per_class)}"
        yield f"- Parameters: {escape(describe(report.model.parameters))}"
        yield f"- Multiply-accumulates: {escape(describe(report.model.macs))}"
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        yield f"- Versions: {escape(versions)}; schema {report.schema_version}"
        if report.reused:
            yield f"- Reused from an earlier run of the same inputs: {escape(', '.join(report.reused))}"

    def _gaps(self) -> Iterator[str]:
        yield "## Not measured, and why"
        yield ""
        found = gaps(self._report)
        if not found:
            yield "Nothing: every figure of this report was obtained."
        for gap in found:
            yield f"[^{gap.number}]: {escape(gap.reason)} — {escape(place(gap))}"

    def _table(self, table: Table) -> Iterator[str]:
        yield row((table.corner, *table.columns))
        rules = (" ---: " if _numeric(table, index) else " --- " for index in range(len(table.columns)))
        yield "|" + "|".join((" --- ", *rules)) + "|"
        for name, cells in table.rows:
            yield f"| {escape(name)} | " + " | ".join(self._cell(cell) for cell in cells) + " |"

    def _sentence(self, parts: Sentence) -> str:
        return "".join(
            self._cell(part, intervals=part.provenance is Provenance.ESTIMATED)
            if isinstance(part, Measurement)
            else escape(part)
            for part in parts
        )

    def _cell(self, cell: Cell, intervals: bool = True) -> str:
        if isinstance(cell, str):
            return escape(cell)
        if not cell.known:
            return f"not measured [^{self._numbers.number(cell)}]"
        parts = [amount(cell), MARKS[cell.provenance]]
        if intervals and cell.interval is not None:
            parts.append(interval(cell))
        return " ".join(parts)


def _numeric(table: Table, index: int) -> bool:
    """Return whether a column holds figures or counts, which stand flush right."""
    cells = [cells[index] for _, cells in table.rows]
    return any(isinstance(cell, Measurement) or cell.replace(",", "").isdigit() for cell in cells)


def _counts(per_class: dict[str, int]) -> str:
    return ", ".join(f"{escape(label)} {count:,}" for label, count in per_class.items())
