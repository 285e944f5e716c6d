"""``fer-deploy data import`` and ``fer-deploy data check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH, data_options
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.data.account import Account
    from fer_deploy.data.contents import Contents


@click.group("data")
def command() -> None:
    """Make the file that FER2013 and FER+ are read from, or show what a data set holds.

    docs/data.md says where each data set is to be had, and under which terms.
    """


@command.command("import", short_help="Make the npz of FER2013 and FER+ from downloads.")
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="SOURCE...")
@click.option("--output", type=PATH, help="The npz to write; with RAF-DB there is none.")
@click.option("--force", is_flag=True, help="Write over an npz that is there.")
def import_data(sources: tuple[Path, ...], output: Path | None, force: bool) -> None:
    """Make the npz of FER2013 and FER+ from what can be downloaded, and compare its counts with the published ones.

    SOURCE is fer2013.csv or icml_face_data.csv, with FER+'s fer2013new.csv beside it; or a folder with train/LABEL and
    test/LABEL; or parquet files with images. Of RAF-DB in its official layout the images are checked and counted, and
    nothing is written.
    """
    from fer_deploy.data.imports.sources import kind_of

    if len(sources) == 1 and kind_of(sources[0]) == "RAF-DB":
        _count_rafdb(sources[0], output)
    elif output is None:
        raise click.UsageError("Missing option '--output': the npz to write.")
    else:
        _import(sources, output, force)


@command.command("check", short_help="Show what a data set holds.")
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the contents as JSON.")
def check_data(dataset: str | None, data: Path | None, as_json: bool) -> None:
    """Show what a data set holds: images by split and class, passed over and why, repeated, in training too.

    Images are the same when they are as 48 x 48 grey pixels. Ends with 2 when a split cannot be read.
    """
    from fer_deploy.data.contents import contents_of
    from fer_deploy.errors import DataError
    from fer_deploy.pipeline.evaluate import dataset_spec

    contents = contents_of(dataset_spec(dataset, data))
    if as_json:
        print_json(contents.model_dump_json(indent=2))
    else:
        _print_contents(contents)
    if contents.problems:
        raise DataError("; ".join(contents.problems))


def _import(sources: Sequence[Path], output: Path, force: bool) -> None:
    from fer_deploy.data.fer2013 import FER2013_LABELS, FILE_NAME
    from fer_deploy.data.imports.published import fer2013_differences, split_counts
    from fer_deploy.data.imports.rows import npz_bytes
    from fer_deploy.data.imports.sources import gather
    from fer_deploy.files import write_atomic
    from fer_deploy.progress import say

    _require_free(output, sources, force)
    rows = gather(sources)
    write_atomic(output, npz_bytes(rows))
    for note in rows.notes:
        say(f"note: {note}")
    for difference in fer2013_differences(rows):
        say(f"warning: {difference}")
    if not (rows.votes > 0).any():
        say(
            "warning: without fer2013new.csv there are no FER+ votes: use '--dataset fer2013', ferplus cannot be used"
        )
    _print_counts(f"{output}: {len(rows):,} images", FER2013_LABELS, split_counts(rows))
    if output.name != FILE_NAME:
        say(f"note: FER_DATA finds a file named {FILE_NAME} only; give this one with --data")


def _require_free(output: Path, sources: Sequence[Path], force: bool) -> None:
    from fer_deploy.errors import OutputError

    if output.suffix != ".npz":
        raise OutputError(
            f"output {output} is not named .npz; name the file, e.g. {output}/fer2013_ferplus_48.npz"
        )
    if output.is_dir():
        raise OutputError(f"output {output} is a folder; name the file to write")
    if any(output.resolve() == source.resolve() for source in sources):
        raise OutputError(f"output {output} is one of the sources; choose another name")
    if output.exists() and not force:
        raise OutputError(f"{output} is there already; choose another name, or write over it with --force")


def _count_rafdb(root: Path, output: Path | None) -> None:
    from fer_deploy.data.imports.published import differences
    from fer_deploy.data.imports.sources import count_rafdb
    from fer_deploy.data.rafdb import OFFICIAL_COUNTS, RAFDB_LABELS
    from fer_deploy.progress import say

    counts = count_rafdb(root)
    for difference in differences(counts, OFFICIAL_COUNTS, RAFDB_LABELS):
        say(f"warning: {difference}")
    _print_counts(f"{root}: RAF-DB, read where it is", RAFDB_LABELS, counts)
    written = f", and {output} is not written" if output is not None else ""
    say(f"note: nothing is imported of RAF-DB{written}; use '--dataset rafdb --data {root}'")


def _print_counts(title: str, labels: Sequence[str], counts: Mapping[str, Sequence[int]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import clean

    table = Table("class", *counts)
    for place, label in enumerate(labels):
        table.add_row(Text(label), *(f"{split[place]:,}" for split in counts.values()))
    table.add_row("all", *(f"{sum(split):,}" for split in counts.values()))
    console = stdout_console()
    console.print(Text(clean(title)), soft_wrap=True)
    console.print(table)


def _print_contents(contents: Contents) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.data.contents import SplitContents
    from fer_deploy.report.wording import clean

    read = {role: one for role, one in contents.splits.items() if isinstance(one, SplitContents)}
    if not read:
        return
    table = Table("", *read)
    for name in ("images", "passed over", "repeated", "two labels", "in training too"):
        table.add_row(name, *(Text(clean(_cell(one.account, name))) for one in read.values()))
    table.add_section()
    for label in next(iter(read.values())).classes:
        table.add_row(Text(clean(label)), *(f"{one.classes[label]:,}" for one in read.values()))
    console = stdout_console()
    for role, one in read.items():
        console.print(Text(clean(f"{role}: {one.name}")), soft_wrap=True)
    console.print(table)


def _cell(account: Account, name: str) -> str:
    from fer_deploy.frozen import Unknown

    match name:
        case "images":
            return f"{account.images:,}"
        case "passed over":
            return "\n".join(f"{count:,} {reason}" for reason, count in account.passed_over.items()) or "none"
        case "repeated":
            return f"{account.repeated:,}"
        case "two labels":
            return f"{account.two_labels:,}"
        case _:
            inside = account.in_training
            return f"not known: {inside.reason}" if isinstance(inside, Unknown) else f"{inside:,}"
