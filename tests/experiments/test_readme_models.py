"""README's table of the models says what the models' cards say, and leaves no model out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = {
    row[0]: row[1:]
    for row in (
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("| `models/")
    )
}
CARDS = sorted((ROOT / "models").glob("*/card.md"))


def figures_of(card: str, title: str) -> list[str]:
    """Return the cells of the card's row ``title``, their provenance checked and taken off."""
    found = re.search(rf"^\| {title} \| (.*) \|$", card, re.M)
    assert found, title
    cells = found[1].split(" | ")
    assert all(cell.endswith(" (measured)") for cell in cells)
    return [cell.removesuffix(" (measured)") for cell in cells]


def test_every_model_with_a_card_is_there() -> None:
    assert sorted(ROWS) == [f"models/{card.parent.name}" for card in CARDS]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_the_row_is_the_cards(path: Path) -> None:
    classes, parameters, macs, accuracy, agreed, size, lost, same, spoilt = ROWS[f"models/{path.parent.name}"]
    card = path.read_text()
    assert f", {classes.split()[-1]} logits out" in card
    assert re.search(rf"\b{parameters} parameters,\s{macs} multiply-accumulates", card)
    _, on_test = figures_of(card, "accuracy")
    assert accuracy == on_test
    int8 = figures_of(card, "executorch")
    assert (size, lost, same) == (int8[0], int8[2], int8[3])
    assert (
        f"| {agreed}" in card.replace(" (measured)", "") if agreed != "–" else "annotators agree" not in card
    )
    (mean,) = re.findall(r"^\| mean of all \|.*", card, re.M)
    assert f"| {spoilt} |" in mean
