"""The same-conditions study beside what is shipped, from studies/small/study.json and the cards; measures nothing.

python benchmarks/study_table.py [--write]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import replace_section, table

from fer_deploy.errors import ConfigError
from fer_deploy.experiments.study_schema import StudyReport
from fer_deploy.report.wording import describe

STUDY = Path("studies/small/study.json")
MODELS = Path("models")
PAGE = Path("docs/study.md")


def shipped(card: Path) -> str:
    """Return a card's accuracy on the validation split, as it stands there.

    Raises:
        ConfigError: the card has none.
    """
    found = re.search(r"\| accuracy \| ([^|]+) \|", card.read_text(encoding="utf-8"))
    if found is None:
        raise ConfigError(f"{card} has no accuracy; write it again with 'fer-deploy card'")
    return found[1].replace(" (measured)", "")


def rows() -> list[tuple[str, ...]]:
    """Return a row for each architecture of the study, the most accurate first."""
    report = StudyReport.model_validate_json(STUDY.read_bytes())
    ranked = sorted(report.rows, key=lambda one: -(one.accuracy.value or 0.0))
    made = []
    for one in ranked:
        card = MODELS / one.label / "card.md"
        made.append(
            (
                f"`{one.label}`",
                *(
                    describe(figure).replace(" (measured)", "")
                    for figure in (one.parameters, one.macs, one.accuracy)
                ),
                shipped(card) if card.is_file() else "–",
            )
        )
    return made


@click.command()
@click.option("--write", is_flag=True, help="Replace the table in docs/study.md.")
def main(write: bool) -> None:
    """Print the table."""
    report = StudyReport.model_validate_json(STUDY.read_bytes())
    header = ("", "parameters", "multiply-accumulates", "same conditions", "as shipped")
    budget = report.budget
    made = table(header, rows()) + (
        f"\n\nAccuracy on {report.validation.name}, float. Same conditions: {budget.epochs} epoch of "
        f"{budget.images_per_epoch:,} images for each, no teacher, {report.host}; "
        "as shipped: what the model's card says."
    )
    click.echo(made)
    if write:
        replace_section(PAGE, "study", made)


if __name__ == "__main__":
    main()
