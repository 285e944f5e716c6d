"""What a report shown to people is made of: sections of blocks, which a view renders without knowing the report.

A block says in which views it is shown. There is no other place for a difference between the views than a property
of a block or a section: the renderers know the kinds of block below, and nothing of what stands in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto

from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.views.tables import Table


class View(Flag):
    """Where something is shown."""

    TERMINAL = auto()
    MARKDOWN = auto()
    HTML = auto()


FILES = View.MARKDOWN | View.HTML
EVERYWHERE = View.TERMINAL | FILES
NOWHERE = View(0)


class Look(StrEnum):
    """How a piece of text stands out from the text around it."""

    STRONG = "strong"
    CODE = "code"
    FINE = "fine"
    GOOD = "good"
    BAD = "bad"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class Span:
    """A few words that stand out."""

    text: str
    look: Look


@dataclass(frozen=True)
class Mark:
    """The sign of a provenance, without a figure."""

    provenance: Provenance


#: A line of text. A :data:`~fer_deploy.views.tables.Sentence` is one; each view adds its own marks to figures.
Text = tuple[Measurement | str | Span | Mark, ...]
#: Whose a figure is, its name, and the figure.
Named = tuple[str, str, Measurement]
#: Draws an inline SVG; None where there is nothing to draw. Called only by a view that shows pictures.
Draw = Callable[[], str | None]


@dataclass(frozen=True)
class Gap:
    """One reason, its footnote number, and what is missing for it: (whose, which figures)."""

    number: int
    reason: str
    missing: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class _Shown:
    """What every kind of block has."""

    views: View = field(default=EVERYWHERE, kw_only=True)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show anywhere."""
        return False


@dataclass(frozen=True)
class Heading(_Shown):
    """A title inside a section; of level 2 where it stands in place of the section's own."""

    text: str
    level: int = 3


@dataclass(frozen=True)
class Say(_Shown):
    """A paragraph. ``named`` says which figures it is about, for the reasons of those that are missing."""

    text: Text
    fine: bool = False
    named: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Items(_Shown):
    """A list without order, under the line ``lead`` if there is one."""

    items: tuple[Text, ...]
    look: Look = Look.FINE
    lead: Text = ()
    named: tuple[Named, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is no item."""
        return not self.items


@dataclass(frozen=True)
class ListEntry:
    """A term, and what is to be said of it."""

    term: Text
    lines: tuple[Say, ...]


@dataclass(frozen=True)
class Entries(_Shown):
    """Terms with one or more lines each."""

    entries: tuple[ListEntry, ...]

    @property
    def empty(self) -> bool:
        """Whether there is no entry."""
        return not self.entries


@dataclass(frozen=True)
class Facts(_Shown):
    """Short names, each with one line."""

    facts: tuple[tuple[str, Text], ...]

    @property
    def empty(self) -> bool:
        """Whether there is no fact."""
        return not self.facts


@dataclass(frozen=True)
class Grid(_Shown):
    """A table. Without rows it is shown nowhere.

    Args:
        table: what it says.
        caption: what it is, for a page, and for the pieces of a table that is too wide for a terminal.
        look: CSS classes. "cards" stacks each row on a phone, "matrix" keeps the first column in sight while the rest
            scrolls, "words" and "flips" are flush left, "bars" leaves room for bars.
        row_looks: CSS class of each row; () for none.
        words: whether figures are written out, for where neither legend nor footnote explains a mark.
        intervals: whether a terminal shows intervals; files always do.
        pieces: the most columns that a terminal shows beside each other; the first two repeat. None: all.
        bars: the column whose figures are drawn as bars.
        named: the figures for the reasons of those that are missing; None for row, column and figure of the table.
    """

    table: Table
    caption: str
    look: str = "cards"
    row_looks: tuple[str, ...] = ()
    words: bool = False
    intervals: bool = False
    pieces: int | None = None
    bars: str | None = None
    named: tuple[Named, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no row."""
        return not self.table.rows

    @property
    def longest_bar(self) -> float:
        """The largest figure of the column :attr:`bars`; 1 without any."""
        found = [
            figure.value for _, column, figure in self.table.figures() if column == self.bars and figure.value
        ]
        return max(found, default=1.0)


@dataclass(frozen=True)
class Plot(_Shown):
    """A picture with a caption and a note on how to read it."""

    draw: Draw
    caption: str
    note: str
    views: View = field(default=View.HTML, kw_only=True)


@dataclass(frozen=True)
class Gallery(_Shown):
    """Several pictures of a kind, each with its title."""

    plots: tuple[tuple[Text, Draw], ...]
    views: View = field(default=View.HTML, kw_only=True)

    @property
    def empty(self) -> bool:
        """Whether there is no picture."""
        return not self.plots


@dataclass(frozen=True)
class Folded(_Shown):
    """Blocks behind one line. A view in which nothing can be opened shows the line alone."""

    title: Text
    blocks: tuple[Block, ...]
    open: bool = False
    views: View = field(default=FILES, kw_only=True)


@dataclass(frozen=True)
class Banner(_Shown):
    """What a check comes to, in one line; ``goal`` is the anchor of the section that says more."""

    text: str
    outcome: str
    goal: str = ""


@dataclass(frozen=True)
class Legend(_Shown):
    """What the marks of figures mean."""


@dataclass(frozen=True)
class Notes(_Shown):
    """The reasons for what is missing: where the footnotes lead to."""

    gaps: tuple[Gap, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is missing."""
        return not self.gaps


Block = Heading | Say | Items | Entries | Facts | Grid | Plot | Gallery | Folded | Banner | Legend | Notes


@dataclass(frozen=True)
class Section:
    """A part of the report. One of which a view shows no block is not in that view.

    Args:
        title: its heading.
        anchor: its id within a page.
        blocks: what stands in it, from top to bottom.
        kicker: what the whole document is; only its first section has one, and its title is the document's.
        titled: the views that show the title.
        look: CSS classes of its card.
        summary: whether it is part of a summary.
    """

    title: str
    anchor: str
    blocks: tuple[Block, ...]
    kicker: str = ""
    titled: View = EVERYWHERE
    look: str = ""
    summary: bool = False


def visible(blocks: tuple[Block, ...], view: View) -> tuple[Block, ...]:
    """Return those of the blocks that a view shows."""
    return tuple(block for block in blocks if view in block.views and not block.empty)
