"""README's table of models, from their cards: nothing is measured here and nothing is typed.

python benchmarks/model_table.py [--write]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import replace_section, table

from fer_deploy.errors import ConfigError

MODELS = Path("models")
PAGE = Path("README.md")
HEADER = (
    "model",
    "labels",
    "parameters",
    "multiply-accumulates",
    "accuracy",
    "authors' majority mode",
    "int8 `.pte`",
    "lost in int8",
    "same top-1",
    "under corruption",
)


def row(card: str, name: str) -> tuple[str, ...]:
    """Return a model's cells of :data:`HEADER`, from the text of its card.

    Raises:
        ConfigError: the card lacks one of them.
    """
    parameters, macs = _found(r"([\d,]+) parameters,\s+([\d,]+) multiply-accumulates", card, name)
    (logits,) = _found(r"faces in, (\d+) logits out", card, name)
    (dataset,) = _found(r"Recall per class on (\S+) PrivateTest", card, name)
    (accuracy,) = _found(r"\| accuracy \| [^|]+ \| ([^|]+) \|", card, name)
    agreed = re.search(r"\| accuracy where most annotators agree \| [^|]+ \| ([^|]+) \|", card)
    size, _, drop, agreement = _found(
        r"\| executorch \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", card, name
    )
    float_column = 4 if "| before |" in card else 3
    (spoilt,) = re.findall(r"\| mean of all \|.*", card) or [""]
    cells = [cell.strip() for cell in spoilt.split("|")]
    told = (accuracy, agreed[1] if agreed else "–", size, drop, agreement, cells[float_column])
    return (f"`models/{name}`", f"{dataset}'s {logits}", parameters, macs, *map(_bare, told))


def _bare(figure: str) -> str:
    return figure.replace(" (measured)", "")


def _found(pattern: str, card: str, name: str) -> tuple[str, ...]:
    found = re.search(pattern, card)
    if found is None:
        raise ConfigError(f"models/{name}/card.md has no {pattern}; write it again with 'fer-deploy card'")
    return found.groups()


def rows() -> list[tuple[str, ...]]:
    """Return a row for each model that has a card: FER+'s first, the most accurate first."""
    made = [row(path.read_text(encoding="utf-8"), path.parent.name) for path in MODELS.glob("*/card.md")]
    return sorted(made, key=lambda cells: (not cells[1].startswith("FER+"), -float(cells[4].split()[0])))


@click.command()
@click.option("--write", is_flag=True, help="Replace the table in README.md.")
def main(write: bool) -> None:
    """Print README's table of models."""
    made = table(HEADER, rows())
    click.echo(made)
    if write:
        replace_section(PAGE, "models", made)


if __name__ == "__main__":
    main()
