"""A run's artifacts are the same whether a second process lowers some of them or not, and whatever becomes of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_deploy.pipeline.config import Config, load_config
from fer_deploy.pipeline.export import Exported
from fer_deploy.pipeline.run import Run
from fer_deploy.quantize.graph import Graph
from fer_deploy.report.schema import MissingArtifact
from fer_deploy.targets.base import Lowered
from fer_deploy.targets.registry import get_target
from fixtures.job import Job

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked"),
    pytest.mark.usefixtures("two_processes"),
]


def config_of(job: Job, output: Path, *targets: str) -> Config:
    config = load_config(job.config)
    export = config.export.model_copy(update={"output": output, "targets": targets})
    return config.model_copy(update={"export": export})


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[Graph], None]) -> list[int]:
    """Let ``change`` see each graph before ONNX is written from it; return the processes that this one sees write."""
    kind = type(get_target("onnx"))
    lower = kind.lower
    here: list[int] = []

    def lowered(self: object, graph: Graph, folder: Path) -> Lowered:
        here.append(os.getpid())
        change(graph)
        return lower(self, graph, folder)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "lower", lowered)
    return here


def made_by(config: Config) -> tuple[list[Exported | MissingArtifact], list[Exported]]:
    told: list[Exported] = []
    run = Run(config, fresh=True)
    return run._artifacts.all_of(run._inputs.plan.pairs, told.append), told


def test_the_files_are_those_of_one_process(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = changed(monkeypatch, lambda _: None)
    config = config_of(job, tmp_path, "onnx", "coreml")
    made, told = made_by(config)
    assert len(here) == 1, "onnx-float is lowered elsewhere"
    pairs = [("onnx", "float"), ("onnx", "w8a8-ptq"), ("coreml", "float"), ("coreml", "w8a8-ptq")]
    assert all(isinstance(one, Exported) for one in made)
    assert [
        (one.artifact.info.target, one.artifact.info.recipe) for one in made if isinstance(one, Exported)
    ] == pairs
    assert len(told) == 4
    for pair in pairs:
        key = "-".join(pair)
        mine, theirs = tmp_path / job.output.name / key, job.output / key
        files = sorted(path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file())
        assert files
        for file in files:
            if file.suffix not in {".json"}:  # they say when
                assert (mine / file).read_bytes() == (theirs / file).read_bytes(), file
    again = Run(config)
    kept = again._artifacts.all_of(again._inputs.plan.pairs, lambda _: None)
    assert kept == made
    assert len(again._store.reused) == 4


def test_a_process_that_dies_costs_nothing_but_time(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()

    def die(_: Graph) -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    here = changed(monkeypatch, die)
    made, told = made_by(config_of(job, tmp_path, "onnx"))
    assert len(here) == 2
    assert len(told) == len(made) == 2
    assert (tmp_path / job.output.name / "onnx-float" / "model.onnx").read_bytes() == (
        job.output / "onnx-float" / "model.onnx"
    ).read_bytes()


def test_what_is_refused_there_is_missing_here(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_deploy.errors import TargetError

    def refuse(graph: Graph) -> None:
        if graph.recipe.name == "float":
            raise TargetError("no such operator")

    changed(monkeypatch, refuse)
    made, told = made_by(config_of(job, tmp_path, "onnx"))
    assert [type(one) for one in made] == [MissingArtifact, Exported]
    assert isinstance(made[0], MissingArtifact)
    assert "no such operator" in made[0].reason
    assert len(told) == 1
