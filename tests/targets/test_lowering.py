"""The trained net on real runtimes: every artifact must answer like the graph it was lowered from."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.files import sha256_of
from fer_deploy.model import Model
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import FP16
from fer_deploy.targets.artifact import Artifact, open_artifact, read_golden, write_artifact
from fer_deploy.targets.base import INTEGER_STEPS
from fer_deploy.targets.registry import get_target
from fixtures.lowered import GraphOf, Lower

TARGETS = ("executorch", "onnx", "litert")
RECIPES = ("float", "w8a8-ptq")
every_artifact = pytest.mark.parametrize(
    ("target", "recipe"), [(target, recipe) for target in TARGETS for recipe in RECIPES]
)


def _run(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    session = get_target(artifact.info.target).open(artifact.file, threads)
    return np.concatenate([session.run(image[None].astype(np.float32)) for image in pixels])


@every_artifact
def test_parity_with_the_graph(
    lowered: Lower, graph_of: GraphOf, test_faces: Faces, target: str, recipe: str
) -> None:
    artifact, _ = lowered(target, recipe)
    graph = graph_of(recipe)
    expected = graph.logits(test_faces.pixels, "reference")
    logits = _run(artifact, test_faces.pixels)
    assert expected.std(axis=0).min() > 0.5, "parity of logits that do not depend on the image proves nothing"
    assert (expected.argmax(1) == test_faces.targets).mean() > 0.9
    difference = np.abs(logits - expected)
    if recipe == "float":
        assert difference.max() < 1e-4
    else:
        assert graph.scales is not None
        step = graph.scales.activations[-1].scale
        assert difference.max() <= INTEGER_STEPS * step
        assert (difference < step / 2).mean() > 0.5, "most integer results are the same"
    assert (logits.argmax(1) == expected.argmax(1)).mean() >= 0.98


def test_quantization_costs_little(graph_of: GraphOf, test_faces: Faces) -> None:
    accuracy = [
        (graph_of(recipe).logits(test_faces.pixels, "").argmax(1) == test_faces.targets).mean()
        for recipe in RECIPES
    ]
    assert accuracy[0] - accuracy[1] < 0.05


@every_artifact
def test_threads_do_not_change_the_answer(
    lowered: Lower, test_faces: Faces, target: str, recipe: str
) -> None:
    artifact, _ = lowered(target, recipe)
    pixels = test_faces.pixels[:4]
    np.testing.assert_allclose(_run(artifact, pixels, 1), _run(artifact, pixels, 2), atol=1e-5)


@every_artifact
def test_results_of_one_session_are_independent(
    lowered: Lower, test_faces: Faces, target: str, recipe: str
) -> None:
    """A runtime that hands out its own output memory would change the first result with the second call."""
    artifact, _ = lowered(target, recipe)
    session = get_target(target).open(artifact.file, 1)
    images = test_faces.pixels[:2].astype(np.float32)
    first = session.run(images[:1])
    kept = first.copy()
    second = session.run(images[1:])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(session.run(images[:1]), kept)


@every_artifact
def test_fully_delegated(lowered: Lower, target: str, recipe: str) -> None:
    _, delegation = lowered(target, recipe)
    assert delegation.not_delegated == {}
    assert delegation.delegated == delegation.total > 10
    if target == "executorch":
        assert delegation.backend == "XNNPACK"
        assert delegation.delegates == 1, "one subgraph: nothing splits the net"


def _optimised(artifact: Artifact, folder: Path) -> Counter[str]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(str(artifact.file), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


def test_onnx_runtime_computes_in_integers(lowered: Lower, tmp_path: Path) -> None:
    integer = _optimised(lowered("onnx", "w8a8-ptq")[0], tmp_path)
    floating = _optimised(lowered("onnx", "float")[0], tmp_path)
    convolutions = {"Conv", "FusedConv"}
    assert not {*convolutions, "Gemm", "MatMul", "Add"} & set(integer)
    # the float net's normalisation may be folded, nothing else: at least as many integer convolutions
    assert integer["QLinearConv"] >= sum(floating[kind] for kind in convolutions) > 5
    assert integer["QGemm"] == 1


def test_onnx_is_valid_and_tells_nothing_of_this_machine(lowered: Lower) -> None:
    for recipe in RECIPES:
        artifact, _ = lowered("onnx", recipe)
        model = onnx.load(artifact.file)
        onnx.checker.check_model(model, full_check=True)
        assert [value.name for value in model.graph.input] == ["pixels"]
        assert [value.name for value in model.graph.output] == ["logits"]
        shape = [dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim]
        assert shape == list(artifact.info.input.shape)
        types = {item.data_type for item in model.graph.initializer if item.name.endswith("_uint8")}
        assert types <= {onnx.TensorProto.UINT8}


@every_artifact
def test_no_path_of_the_build_machine_is_inside(lowered: Lower, target: str, recipe: str) -> None:
    content = lowered(target, recipe)[0].file.read_bytes()
    for trace in (b"site-packages", b"fer_deploy/", b".py", str(Path.home()).encode()):
        assert trace not in content


@every_artifact
def test_artifact_json_is_true(
    lowered: Lower, trained_model: Model, graph_of: GraphOf, target: str, recipe: str
) -> None:
    artifact, _ = lowered(target, recipe)
    assert open_artifact(artifact.folder) == artifact
    info = json.loads((artifact.folder / "artifact.json").read_text())
    assert info["sha256"] == sha256_of(artifact.file)
    assert info["size_bytes"] == artifact.file.stat().st_size
    assert info["contract"] == trained_model.contract.model_dump(mode="json")
    assert info["contract_sha256"] == trained_model.contract.sha256
    assert info["weights_sha256"] == trained_model.weights_sha256
    assert (info["target"], info["recipe"], info["model"]) == (target, recipe, "edges")
    assert artifact.key == f"{target}-{recipe}"
    assert info["input"]["shape"] == [1, 1, 24, 24]
    assert info["output"]["shape"] == [1, 4]
    assert info["versions"]["onnxruntime"] == onnxruntime.__version__
    assert (info["scales"] is None) == (info["calibration"] is None) == (recipe == "float")
    if recipe != "float":
        scales = graph_of(recipe).scales
        assert scales is not None
        assert info["scales"] == scales.model_dump(mode="json")


def test_the_int8_file_is_smaller(lowered: Lower) -> None:
    for target in TARGETS:
        sizes = [lowered(target, recipe)[0].info.size_bytes for recipe in RECIPES]
        assert sizes[1] < sizes[0]


def test_all_targets_share_the_scales(lowered: Lower) -> None:
    first, *others = (lowered(target, "w8a8-ptq")[0].info for target in TARGETS)
    for other in others:
        assert other.scales == first.scales
        assert other.contract_sha256 == first.contract_sha256


@every_artifact
def test_golden_vectors_are_what_the_artifact_answers(lowered: Lower, target: str, recipe: str) -> None:
    artifact, _ = lowered(target, recipe)
    golden = read_golden(artifact)
    shape = artifact.info.input.shape[1:]
    pixels = np.stack(
        [
            np.frombuffer(base64.b64decode(vector.pixels_base64), dtype=np.uint8).reshape(shape)
            for vector in golden.vectors
        ]
    )
    expected = np.array([vector.logits for vector in golden.vectors], dtype=np.float32)
    np.testing.assert_allclose(_run(artifact, pixels), expected, atol=golden.max_abs_difference / 10, rtol=0)
    assert np.ptp(expected, axis=0).max() > 10 * golden.max_abs_difference, "a dead model must fail the check"
    assert "on this machine" in golden.reference


@pytest.mark.parametrize("target", TARGETS)
def test_lowering_again_gives_the_same_file(
    lowered: Lower, graph_of: GraphOf, tmp_path: Path, target: str
) -> None:
    graph = dataclasses.replace(graph_of("float"))  # exported again
    again, _ = write_artifact(get_target(target), graph, tmp_path / "again", "edges", "0" * 64)
    assert again.info.sha256 == lowered(target, "float")[0].info.sha256


@pytest.mark.parametrize("recipe", RECIPES)
def test_all_targets_are_lowered_from_one_export_which_none_changes(
    small_graphs: dict[str, Graph], tmp_path: Path, recipe: str
) -> None:
    graph = dataclasses.replace(small_graphs[recipe])
    program = graph.export()
    before = digest_of(program)
    for target in (*TARGETS, "coreml"):
        if get_target(target).host_obstacle() is None:
            get_target(target).lower(graph, tmp_path)
            assert graph.export() is program
            assert digest_of(program) == before, target


def digest_of(program: torch.export.ExportedProgram) -> str:
    """Return a digest of everything that a converter could change."""
    told = hashlib.sha256(f"{program.graph_signature}{program.graph_module.code}".encode())
    for node in program.graph.nodes:
        told.update(f"{node.format_node()}{sorted(map(str, node.meta))}{node.meta.get('val')}".encode())
    for name, value in sorted({**program.state_dict, **program.constants}.items()):
        told.update(name.encode() + value.detach().numpy().tobytes())
    return told.hexdigest()


@pytest.mark.parametrize("target", TARGETS)
def test_recipe_that_the_target_lacks(trained_model: Model, tmp_path: Path, target: str) -> None:
    graph = float_graph(trained_model, FP16)
    with pytest.raises(TargetError, match=f"target '{target}' has no recipe 'fp16'; it has: float, w8a8-ptq"):
        write_artifact(get_target(target), graph, tmp_path / "out", "edges", "0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None], ids=["empty", "garbage", "truncated"])
def test_opening_a_broken_file(lowered: Lower, tmp_path: Path, target: str, content: bytes | None) -> None:
    artifact, _ = lowered(target, "float")
    whole = artifact.file.read_bytes()
    broken = tmp_path / artifact.file.name
    broken.write_bytes(whole[: len(whole) // 3] if content is None else content)
    with pytest.raises(ArtifactError, match="can load") as caught:
        get_target(target).open(broken, 1).run(np.zeros(artifact.info.input.shape, dtype=np.float32))
    assert "\n" not in str(caught.value)
