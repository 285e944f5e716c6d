"""What graphs are made of."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.data.registry import DatasetSpec
from fer_deploy.model import Model
from fer_deploy.pipeline.export import Graphs
from fixtures.job import write_faces


def test_a_trained_graph_is_told_apart_by_the_images_that_it_learns_from(
    trained_model: Model, tmp_path: Path
) -> None:
    data = DatasetSpec(kind="folder", path=tmp_path)
    for split, count in (("train", 24), ("validation", 8), ("test", 8)):
        write_faces(tmp_path, split, count, seed=0)

    def trained_on() -> tuple[str, str]:
        return Graphs(trained_model, None, None, data).trained_on

    before = trained_on()
    assert trained_on() == before
    write_faces(tmp_path, "train", 24, seed=1)
    training, validation = trained_on()
    assert training != before[0]
    assert validation == before[1]
