"""The Core ML target: what each option writes, and that the interpreter gives its logits back."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fer_deploy.contract import Confidence, Contract, InputSpec, TrainedOn
from fer_deploy.data.faces import Faces
from fer_deploy.errors import ConfigError, TargetError
from fer_deploy.files import sha256_of
from fer_deploy.model import Model, deployable
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import FLOAT, FP16, W8, Recipe
from fer_deploy.targets.coreml import CoreMLOptions, CoreMLTarget
from fer_deploy.targets.coreml.interpreter.execute import Interpreter
from fer_deploy.targets.coreml.interpreter.package import read_package
from fer_deploy.targets.coreml.interpreter.program import Program, read_program
from fixtures.architectures import Residual, conv, enlivened, head
from fixtures.lowered import GraphOf
from fixtures.synthetic import contract_for, input_spec


def lowered(graph: Graph, folder: Path, **options: Any) -> tuple[CoreMLTarget, Path]:
    target = CoreMLTarget(CoreMLOptions(**options))
    folder.mkdir(parents=True, exist_ok=True)
    return target, folder / target.lower(graph, folder).file


def difference(graph: Graph, target: CoreMLTarget, file: Path, pixels: np.ndarray) -> float:
    logits = target.open(file, threads=1).run_batch(pixels.astype(np.float32))
    return float(np.abs(logits - graph.logits(pixels, "torch")).max())


@pytest.fixture(scope="module")
def small_model() -> Model:
    """Every kind of layer of the family once: a conversion takes a second for each ten layers."""
    torch.manual_seed(0)
    depthwise, linear = conv(8, 8, groups=8, act=nn.ReLU6()), conv(8, 8, 1, act=nn.Identity())
    network = nn.Sequential(
        conv(1, 8, s=2, act=nn.ReLU6()), Residual(nn.Sequential(depthwise, linear)), *head(8, 4)
    )
    spec = input_spec()
    return Model("small", "small", enlivened(network, spec.shape), contract_for(spec), "0" * 64)


@pytest.fixture(scope="module")
def floating(small_model: Model) -> Callable[[Recipe], Graph]:
    """Gives the small net's graph under a float recipe, of one module."""
    plain = float_graph(small_model)
    return lambda recipe: dataclasses.replace(plain, recipe=recipe)


Packages = Callable[[Recipe, int], tuple[CoreMLTarget, Path]]


@pytest.fixture(scope="module")
def packages(floating: Callable[[Recipe], Graph], tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Gives the small net's package under a recipe for an iOS version, each made once. Do not change it."""

    @functools.cache
    def made(recipe: Recipe, ios: int) -> tuple[CoreMLTarget, Path]:
        return lowered(floating(recipe), tmp_path_factory.mktemp("package"), ios=ios)

    return made


@pytest.mark.parametrize("ios", [15, 16, 17, 18])
def test_each_ios_version(
    packages: Packages, floating: Callable[[Recipe], Graph], test_faces: Faces, tmp_path: Path, ios: int
) -> None:
    """The operation set is the version's, and every precision that it has gives the model's logits."""
    for recipe, limit in ((FLOAT, 1e-4), (FP16, 0.1), (W8, 0.2)):
        graph = floating(recipe)
        if recipe is W8 and ios < 16:
            with pytest.raises(ConfigError, match=r"w8 needs iOS 16 or later .*constexpr_affine_dequantize"):
                lowered(graph, tmp_path / "w8", ios=ios)
            continue
        target, file = packages(recipe, ios)
        program = read_program(read_package(file))
        assert (program.specification_version, program.opset) == (ios - 9, f"CoreML{ios - 10}")
        assert difference(graph, target, file, test_faces.pixels) <= limit


def test_quantized_graph_needs_ios_17_and_keeps_its_scales(
    graph_of: GraphOf, test_faces: Faces, tmp_path: Path
) -> None:
    graph = graph_of("w8a8-ptq")
    assert graph.scales is not None
    with pytest.raises(ConfigError, match="needs iOS 17"):
        lowered(graph, tmp_path / "16", ios=16)
    target, file = lowered(graph, tmp_path / "17", quantized_compute="fp32")
    program = read_program(read_package(file))
    scales = np.array([step.scale for step in graph.scales.activations])
    found = _scales(program)
    assert len(found) >= 0.9 * len(scales)
    for scale in found:
        assert np.isclose(scales, scale, rtol=1e-5).any()
    logits = target.open(file, threads=1).run_batch(test_faces.pixels.astype(np.float32))
    assert (logits.argmax(1) == graph.logits(test_faces.pixels, "quantized").argmax(1)).mean() >= 0.98


def _scales(program: Program) -> list[float]:
    found = []
    for operation in program.operations:
        if operation.kind == "quantize":
            scale: Any = operation.arguments["scale"]
            found.append(float(np.asarray(program.constants[scale.name])))
    return found


def test_image_input_classifier_and_metadata(
    floating: Callable[[Recipe], Graph], small_model: Model, test_faces: Faces, tmp_path: Path
) -> None:
    sure = Confidence(temperature=0.7, unsure_below=0.5, fitted_on="nothing")
    contract = small_model.contract.model_copy(update={"confidence": sure})
    graph = dataclasses.replace(floating(FLOAT), contract=contract)
    target, file = lowered(
        graph, tmp_path, image_input=True, classifier=True, author="A. Author", licence="MIT"
    )
    package = read_package(file)
    description = package.spec.description
    assert [(item.name, item.type.WhichOneof("Type")) for item in description.output] == [
        ("label", "stringType"),
        ("label_probabilities", "dictionaryType"),
        ("logits", "multiArrayType"),
    ]
    assert (description.predictedFeatureName, description.predictedProbabilitiesName) == (
        "label",
        "label_probabilities",
    )
    image = description.input[0]
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("image", 24, 24)
    metadata = description.metadata
    assert (metadata.author, metadata.license) == ("A. Author", "MIT")
    assert metadata.userDefined["fer_deploy.contract_sha256"] == graph.contract.sha256
    assert Contract.model_validate_json(metadata.userDefined["fer_deploy.contract"]) == graph.contract
    assert {"fer_deploy.version.torch", "fer_deploy.version.coremltools"} <= set(metadata.userDefined)
    assert difference(graph, target, file, test_faces.pixels) <= 1e-4
    program = read_program(package)
    answers = Interpreter(program).run({"image": test_faces.pixels.astype(np.float32)})
    logits = torch.from_numpy(graph.logits(test_faces.pixels, "torch"))
    expected = torch.softmax(logits / sure.temperature, -1).numpy()
    np.testing.assert_allclose(answers["label_probabilities"], expected, atol=1e-5)
    classes = next(op for op in program.operations if op.kind == "classify").arguments["classes"]
    assert isinstance(classes, list)
    assert tuple(classes) == graph.contract.labels


def rgb_graph() -> Graph:
    """A network that tells the colour channels apart, with another mean and std for each."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(conv(3, 8, s=2), *head(8, 4)).eval()
    spec = InputSpec(height=16, width=16, color="rgb", mean=(120.0, 100.0, 90.0), std=(60.0, 30.0, 90.0))
    contract = Contract(labels=("a", "b", "c", "d"), input=spec, trained_on=TrainedOn(dataset="noise"))
    return Graph(deployable(Model("rgb", "test", network, contract, "0" * 64)), contract, FLOAT)


def test_image_channels_reach_the_graph_in_the_program_s_order(tmp_path: Path) -> None:
    """RGB pixels in, whatever the package's colour layout: a package that was made BGR is caught."""
    graph = rgb_graph()
    target, file = lowered(graph, tmp_path, image_input=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    assert difference(graph, target, file, pixels) <= 1e-4
    model = next(file.rglob("model.mlmodel"))
    spec = read_package(file).spec
    image = spec.description.input[0].type.imageType
    image.colorSpace = image.BGR
    model.write_bytes(spec.SerializeToString())
    assert difference(graph, target, file, pixels) > 0.01


def test_missing_normalisation_is_seen(tmp_path: Path) -> None:
    graph = rgb_graph()
    network = graph.module.get_submodule("network")
    target, file = lowered(Graph(network, graph.contract, FLOAT), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    assert difference(graph, target, file, pixels) > 1


def test_same_graph_gives_same_bytes(small_model: Model, tmp_path: Path) -> None:
    first, second = (
        lowered(float_graph(small_model, FP16), tmp_path / name, classifier=True)[1] for name in "ab"
    )
    assert sha256_of(first) == sha256_of(second)
    manifest = json.loads((first / "Manifest.json").read_text())
    listed = {entry["path"] for entry in manifest["itemInfoEntries"].values()}
    assert listed == {"com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights"}
    assert {path.name for path in first.iterdir()} == {"Data", "Manifest.json"}, "no stray files"


def test_w8_stores_every_weight_as_int8(packages: Packages, small_model: Model) -> None:
    """Small layers too: coremltools leaves those of up to 2,048 values in float unless told otherwise."""
    _, file = packages(W8, CoreMLOptions().ios)
    weights = CoreMLTarget().inspect(file).weights
    layers = [p for p in small_model.network.parameters() if p.ndim > 1]
    assert weights["int8"].values >= sum(p.numel() for p in layers)


def test_linux_emulates_and_never_times(packages: Packages) -> None:
    target, file = packages(FP16, CoreMLOptions().ios)
    assert target.host_obstacle() is None
    assert target.timing_obstacle() == "needs macOS: Core ML runs on Apple systems only"
    assert target.open(file, 1).emulation == "interpreter, fp16 rounding"


def test_options_out_of_range() -> None:
    with pytest.raises(ConfigError, match="iOS 14 is not one of 15, 16, 17, 18"):
        CoreMLOptions(ios=14)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_graph_that_coremltools_refuses(tmp_path: Path) -> None:
    """The warning is of a temporary folder that coremltools 9.0 leaves behind when it fails."""

    class Sorted(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: torch.Tensor = torch.linalg.svdvals(x.flatten(2)).flatten(1)[:, :4]
            return values

    graph = Graph(Sorted(), rgb_graph().contract, FLOAT)
    with pytest.raises(TargetError, match="Core ML cannot lower the float graph"):
        lowered(graph, tmp_path)
    assert list(tmp_path.iterdir()) == []
