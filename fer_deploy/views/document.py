"""The whole document: which sections a report has, in which order, and every reason for a figure that is missing.

Said here, once, for terminal, Markdown and HTML. A new section is a function in :mod:`fer_deploy.views.sections` and a
line in :data:`SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from fer_deploy.gate.verdicts import Change, Check
from fer_deploy.measure.comparison import Comparison
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import Footnotes, clean
from fer_deploy.views.blocks import (
    NOWHERE,
    Block,
    Entries,
    Facts,
    Folded,
    Gallery,
    Gap,
    Grid,
    Heading,
    Items,
    Named,
    Say,
    Section,
    Text,
    View,
    visible,
)
from fer_deploy.views.sections import (
    accuracy,
    comparison,
    corruption,
    devices,
    frame,
    images,
    layers,
    npu,
    verdicts,
)
from fer_deploy.views.sections.devices import TIMES


@dataclass(frozen=True)
class Document:
    """All sections in their order, and every reason for a missing figure with its number."""

    name: str
    sections: tuple[Section, ...]
    gaps: tuple[Gap, ...]

    def shown(self, view: View, summary: bool = False) -> Iterator[tuple[Section, tuple[Block, ...]]]:
        """Yield each section that a view shows, with the blocks that it shows of it.

        Args:
            view: the view.
            summary: leave out what is not part of a summary.
        """
        for section in self.sections:
            blocks = visible(section.blocks, view)
            if blocks and (section.summary or not summary):
                yield section, blocks

    def number(self, figure: Measurement) -> int:
        """Return the footnote number of a missing figure's reason."""
        return self._numbers[clean(figure.reason or "")]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {gap.reason: gap.number for gap in self.gaps}


#: From top to bottom. Reasons and legend follow them, since they are about all of them.
SECTIONS: tuple[Callable[[Report, Check | None], Section | None], ...] = (
    frame.head,
    verdicts.verdicts,
    frame.warnings,
    accuracy.artifacts,
    devices.devices,
    accuracy.accuracy,
    accuracy.classes,
    accuracy.calibration,
    npu.npu,
    corruption.corruption,
    layers.layers,
    images.confusion,
    images.flips,
    accuracy.between,
    accuracy.words,
    frame.origin,
)


def document(report: Report, check: Check | None = None) -> Document:
    """Return the report, with the verdicts of a ``check`` of it when there is one."""
    made = (make(report, check) for make in SECTIONS)
    sections = tuple(section for section in made if section is not None)
    return _with_reasons(f"{report.model.name}: deployment report", sections)


def device_document(device: DeviceReport) -> Document:
    """Return one device's figures alone, with the reasons for what is missing and the legend."""
    return _with_reasons(device.market_name, (devices.device_alone(device),))


def check_document(check: Check) -> Document:
    """Return the verdicts alone. They are in words, so neither reasons nor legend follow."""
    sections = (verdicts.verdict_section(check),)
    return Document(f"{check.model}: verdicts", sections, collect(sections))


def short_document(shown: object) -> Document | None:
    """Return what a notebook shows of a report, a check or a comparison; None of anything else.

    A report is cut down to its summary.
    """
    match shown:
        case Report():
            whole = document(shown)
            return Document(whole.name, tuple(one for one in whole.sections if one.summary), whole.gaps)
        case Check():
            alone = verdicts.verdicts_alone(shown)
            return Document(alone.title, (alone,), collect((alone,)))
        case Comparison():
            compared = comparison.compared(shown)
            return _with_reasons(compared.title, (compared,))
    return None


def change_document(changes: tuple[Change, ...]) -> Document:
    """Return changes alone, or that there are none."""
    none = Heading("No figure differs beyond noise.", level=2)
    blocks = (verdicts.change_entries(changes),) if changes else (none,)
    return Document("Changes", (Section("Changes", "changes", blocks, titled=NOWHERE),), ())


def _with_reasons(name: str, sections: tuple[Section, ...]) -> Document:
    gaps = collect(sections)
    return Document(name, (*sections, frame.missing(gaps), frame.legend()), gaps)


_RUNTIME = (*TIMES, "peak memory")
_RUNTIME_TOGETHER = ("every time and peak memory",)
#: Where a figure is missing that only running text shows.
_IN_TEXT = "in the text"


def collect(sections: Iterable[Section]) -> tuple[Gap, ...]:
    """Return every reason once, numbered in the order of the blocks, with what is missing for it."""
    numbers = Footnotes()
    places: dict[int, dict[str, list[str]]] = {}
    read_in: dict[int, str] = {}
    for section in sections:
        for block in section.blocks:
            for owner, name, figure in _named(block):
                if not figure.known:
                    names = places.setdefault(numbers.number(figure), {}).setdefault(owner, [])
                    if name not in names:
                        names.append(name)
            for figure in _said(block):
                if not figure.known:
                    read_in.setdefault(numbers.number(figure), section.title)
    for number, title in read_in.items():
        places.setdefault(number, {title: [_IN_TEXT]})
    return tuple(
        Gap(number, reason, tuple((owner, tuple(names)) for owner, names in places[number].items()))
        for number, reason in numbers
    )


def place(gap: Gap) -> str:
    """Return where a gap is, in one line of plain text: who lacks the same figures is named together."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for owner, names in gap.missing:
        owners.setdefault(_RUNTIME_TOGETHER if set(_RUNTIME) <= set(names) else names, []).append(owner)
    return "; ".join(
        f"{', '.join(map(clean, who))}: {', '.join(map(clean, names))}" for names, who in owners.items()
    )


def _named(block: Block) -> Iterator[Named]:
    """Yield whose it is, its name and the figure, for every figure that a block names."""
    match block:
        case Grid(named=None):
            yield from block.table.figures()
        case Grid(named=tuple() as named) | Say(named=named) | Items(named=named):
            yield from named
        case Folded():
            for inner in block.blocks:
                yield from _named(inner)
        case _:
            return


def _said(block: Block) -> Iterator[Measurement]:
    """Yield every figure that a block shows, named or not."""
    if isinstance(block, Grid):
        yield from (figure for _, _, figure in block.table.figures())
    if isinstance(block, Folded):
        for inner in block.blocks:
            yield from _said(inner)
    for text in _texts(block):
        yield from (part for part in text if isinstance(part, Measurement))


def _texts(block: Block) -> Iterator[Text]:
    match block:
        case Say():
            yield block.text
        case Items():
            yield block.lead
            yield from block.items
        case Entries():
            for entry in block.entries:
                yield entry.term
                yield from (line.text for line in entry.lines)
        case Facts():
            yield from (text for _, text in block.facts)
        case Gallery():
            yield from (title for title, _ in block.plots)
        case Folded():
            yield block.title
        case _:
            return
