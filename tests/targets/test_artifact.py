"""Artifact folders: whole or not at all, and nothing damaged is opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, OutputError, ProofError, TargetError
from fer_deploy.files import sha256_of
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.artifact import open_artifact, write_artifact
from fer_deploy.targets.base import Delegation, Lowered, Session, Target
from fer_deploy.targets.inspection import Inspection
from fer_deploy.targets.registry import TARGET_NAMES, get_target
from fixtures.lowered import GraphOf, Lower


@pytest.fixture
def folder(lowered: Lower, tmp_path: Path) -> Path:
    """A copy of the float ONNX artifact."""
    return Path(shutil.copytree(lowered("onnx", "float")[0].folder, tmp_path / "onnx-float"))


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def _refused(folder: Path, message: str) -> None:
    with pytest.raises(ArtifactError, match=message) as caught:
        open_artifact(folder)
    assert "\n" not in str(caught.value)


def test_copy_opens(folder: Path) -> None:
    assert open_artifact(folder).key == "onnx-float"


@pytest.mark.parametrize("name", ["artifact.json", "golden.json", "model.onnx"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    _refused(folder, name.replace(".", r"\."))


@pytest.mark.parametrize("name", ["artifact.json", "golden.json", "model.onnx"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_truncated_file(folder: Path, name: str, keep: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * keep)])
    _refused(folder, "is damaged|is not valid")


def test_one_flipped_bit(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    _refused(folder, r"model\.onnx is damaged: its sha256 is not the one in .*artifact\.json")


def test_not_a_folder(tmp_path: Path) -> None:
    _refused(tmp_path, "is not an artifact folder: it has no artifact.json")
    _refused(tmp_path / "none", "is not an artifact folder")
    (tmp_path / "file").write_text("x")
    _refused(tmp_path / "file", "is not an artifact folder")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["contract"]["input"].update(mean=[0.0]), "contract in .* was changed after export"),
        (lambda d: d["contract"]["labels"].reverse(), "contract in .* was changed after export"),
        (lambda d: d["contract"]["labels"].pop(), "contract in .* was changed after export"),
        (lambda d: d.update(contract_sha256="0" * 64), "contract in .* was changed after export"),
        (lambda d: d["input"].update(shape=[1, 3, 24, 24]), "shapes in .* are not those of its contract"),
        (lambda d: d["output"].update(shape=[1, 7]), "shapes in .* are not those of its contract"),
        (lambda d: d.update(sha256="0" * 64), "is damaged"),
        (lambda d: d.update(schema_version="9.9"), "schema_version"),
        (lambda d: d.pop("target"), "target: Field required"),
        (lambda d: d.update(extra=1), "extra: unknown key"),
        (lambda d: d["input"].update(dtype="uint8"), "input.dtype"),
        (lambda d: d.update(file="other.onnx"), r"model file .*other\.onnx does not exist"),
        *(
            (lambda d, name=name: d.update(file=name), "is not valid: file: ")
            for name in ("../onnx-float/model.onnx", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "a\0b")
        ),
    ],
)
def test_edited_artifact_json(folder: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    _edit(folder / "artifact.json", change)
    _refused(folder, says)


@pytest.mark.parametrize("key", ["artifact_sha256", "contract_sha256"])
def test_golden_of_another_artifact(folder: Path, key: str) -> None:
    _edit(folder / "golden.json", lambda document: document.update({key: "0" * 64}))
    _refused(folder, r"golden\.json belongs to another artifact")


# --- writing ---------------------------------------------------------------------------------------


class _Torch(Session):
    def __init__(self, graph: Graph, scale: float) -> None:
        self.graph, self.scale = graph, scale

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self.graph.module(torch.from_numpy(pixels)).detach().numpy()
        return logits * np.float32(self.scale)


class _Fake(Target):
    """Writes a text and answers as the graph does; fails in one way or another if told to."""

    name: ClassVar[str] = "fake"
    recipes: ClassVar[tuple[str, ...]] = ("float",)
    runtime: str = "none"

    def __init__(self, fails: str = "", obstacle: str | None = None) -> None:
        self.fails, self.obstacle = fails, obstacle

    def lower(self, graph: Graph, folder: Path) -> Lowered:
        self.graph = graph
        (folder / "model.txt").write_text("half")
        if self.fails == "lower":
            raise TargetError("the tools refuse")
        if self.fails == "bug":
            raise ZeroDivisionError
        return Lowered("model.txt", Delegation("none", 0, 0))

    def open(self, file: Path, threads: int) -> Session:  # noqa: ARG002
        if self.fails == "open":
            raise ArtifactError("the runtime refuses")
        return _Torch(self.graph, 1.1 if self.fails == "wrong" else 1.0)

    def inspect(self, file: Path) -> Inspection:
        raise TargetError(f"{file} holds no operations")

    def host_obstacle(self) -> str | None:
        return self.obstacle

    def preload(self) -> None: ...


@pytest.mark.parametrize(
    ("fails", "error"),
    [("lower", TargetError), ("open", TargetError), ("bug", ZeroDivisionError), ("wrong", ProofError)],
)
@pytest.mark.parametrize("old", [True, False])
def test_failure_leaves_nothing_and_keeps_the_old(
    graph_of: GraphOf, tmp_path: Path, fails: str, error: type[Exception], old: bool
) -> None:
    folder = tmp_path / "dist" / "fake-float"
    if old:
        write_artifact(_Fake(), graph_of("float"), folder, "edges", "0" * 64)
    before = {path: sha256_of(path) for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(error):
        write_artifact(_Fake(fails), graph_of("float"), folder, "edges", "0" * 64)
    assert {path: sha256_of(path) for path in tmp_path.rglob("*") if path.is_file()} == before
    assert folder.exists() == old


def test_artifact_of_a_target_that_cannot_run_here(graph_of: GraphOf, tmp_path: Path) -> None:
    graph = graph_of("float")
    write_artifact(_Fake(obstacle="needs a phone"), graph, tmp_path / "a", "edges", "0" * 64)
    golden = json.loads((tmp_path / "a" / "golden.json").read_text())
    assert golden["reference"] == "torch, the graph that was lowered"
    logits = np.array([vector["logits"] for vector in golden["vectors"]])
    assert np.ptp(logits, axis=0).max() > 0.1, "they come from the graph"


def test_output_that_is_a_file(graph_of: GraphOf, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="a file is there"):
        write_artifact(_Fake(), graph_of("float"), tmp_path / "taken", "edges", "0" * 64)
    assert (tmp_path / "taken").read_text() == "x"


# --- registry --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_registry_keeps_what_a_target_promises(name: str) -> None:
    target = get_target(name)
    assert target.name == name
    assert "float" in target.recipes
    target.require_recipe(target.recipes[0])
    with pytest.raises(TargetError, match=f"target '{name}' has no recipe 'w1a1'; it has: "):
        target.require_recipe("w1a1")


def test_unknown_target() -> None:
    with pytest.raises(
        TargetError, match="unknown target 'tensorrt'; known: executorch, onnx, coreml, litert"
    ):
        get_target("tensorrt")
