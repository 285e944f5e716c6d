"""Everything that a model card says, measured."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.data.registry import DatasetSpec, Role, open_dataset
from fer_deploy.errors import ModelError
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.model import load_model
from fer_deploy.pipeline.summaries import dataset_summary, model_summary
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.report.card import Card, SplitFigures
from fer_deploy.targets.artifact import tool_versions

RECIPE_FILE = "train.toml"


def measure_card(folder: Path, dataset: DatasetSpec) -> Card:
    """Return the card of the zoo model in ``folder``, measured on the dataset's validation and test splits.

    Raises:
        ModelError: ``folder`` is not a zoo folder.
        DataError: the dataset is missing, malformed or has other labels.
    """
    if not folder.is_dir():
        raise ModelError(f"a card is written into a model's folder, and {folder} is none")
    model = load_model(folder)
    graph = float_graph(model)

    def split(role: Role) -> SplitFigures:
        faces = open_dataset(dataset, role, model.contract.labels, model.contract.input)
        logits = graph.logits(faces.pixels, f"evaluating {faces.name}")
        return SplitFigures(dataset_summary(faces), accuracy_figures(logits, faces))

    recipe = folder / RECIPE_FILE
    return Card(
        model=model_summary(model, graph),
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else None,
        validation=split("validation"),
        test=split("test"),
        versions=tool_versions(),
    )
