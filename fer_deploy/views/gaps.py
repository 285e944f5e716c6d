"""What a document does not hold: every reason for a figure that is missing, with the places it is missing from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.wording import Footnotes, clean
from fer_deploy.views.blocks import (
    Block,
    Entries,
    Facts,
    Folded,
    Gallery,
    Gap,
    Grid,
    Items,
    Named,
    Say,
    Section,
    Text,
)
from fer_deploy.views.device_tables import TIMES

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
