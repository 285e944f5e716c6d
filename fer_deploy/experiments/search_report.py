"""What came of a search: the schema of ``search.json``, and that as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from fer_deploy.experiments.front import Costs, on_front
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.wording import amount, interval
from fer_deploy.views.markdown import fill

TEMPLATE = "search.md.j2"


class SearchRow(Frozen):
    """One candidate; accuracy is that of the short training, on the validation split."""

    label: str
    options: dict[str, str]
    parameters: Measurement
    macs: Measurement
    latency: Measurement | None = Field(description="None where the search has no limit on it")
    estimate: Measurement | None = Field(default=None, description="None where the search asks for none")
    accuracy: Measurement
    stopped_after: int | None = Field(
        default=None,
        description="epochs, where pruning stopped the training; accuracy is that after them",
    )
    order: int = Field(description="as the how-manieth it was trained, from 1")

    @property
    def costs(self) -> Costs:
        """The objectives, each such that less is better."""
        figures = [self.macs, *([self.estimate] if self.estimate else [])]
        values = [one.value for one in (self.accuracy, *figures)]
        if any(value is None for value in values):
            raise ValueError(f"{self.label} has an objective that was not measured")
        accuracy, *rest = (value for value in values if value is not None)
        return (-accuracy, *rest)


class Effect(Frozen):
    """What one option explains of the candidates' accuracies."""

    option: str
    share: float = Field(description="variance between the option's values over all variance, 0 to 1")
    means: dict[str, float] = Field(description="value to mean accuracy, fractions")
    counts: dict[str, int] = Field(description="value to number of candidates")


class SearchReport(Frozen):
    """A finished search, best candidate first; those whose training was stopped come last."""

    schema_version: Literal["1.0"] = "1.0"
    name: str
    created: str
    command: str
    versions: dict[str, str]
    host: str
    validation: str
    study: str | None = Field(default=None, description="its name in the storage; None before there was one")
    spec: str = Field(description="the search file, with every default, as TOML")
    refused: int = Field(description="candidates that were drawn and cost too much, or had no estimate")
    known: int = Field(default=0, description="candidates that an earlier search trained")
    hours: float = Field(description="wall time of all trainings")
    rows: tuple[SearchRow, ...]
    effects: tuple[Effect, ...]

    @property
    def whole(self) -> tuple[SearchRow, ...]:
        """The candidates whose training ran to its end."""
        return tuple(row for row in self.rows if row.stopped_after is None)

    @property
    def front(self) -> tuple[SearchRow, ...]:
        """Those of :attr:`whole` that no other beats in every objective, cheapest first."""
        kept = on_front([row.costs for row in self.whole])
        found = [row for row, keep in zip(self.whole, kept, strict=True) if keep]
        return tuple(sorted(found, key=lambda row: row.costs[1:]))


def render_search(report: SearchReport) -> str:
    """Return the search as Markdown."""
    effects = sorted(
        (one for one in report.effects if len(one.means) > 1), key=lambda one: one.share, reverse=True
    )
    fixed = [one.option for one in report.effects if len(one.means) < 2]
    return fill(TEMPLATE, report=report, effects=effects, fixed=fixed, amount=amount, interval=interval)


def write_search(report: SearchReport, folder: Path) -> dict[str, Path]:
    """Write ``search.json`` and ``search.md`` into ``folder`` and return them by file name.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    files = {"search.json": report.model_dump_json(indent=1) + "\n", "search.md": render_search(report)}
    for name, content in files.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in files}
