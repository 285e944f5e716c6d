"""One quantized graph in two runtimes: integer kernels, small files, the same answers, on models outside the zoo."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from fer_deploy.measure.subject import artifact_logits
from fer_deploy.model import Model, count_parameters
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import PtqOptions, choose_calibration
from fer_deploy.targets.artifact import Artifact, write_artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.onnx.target import OnnxOptions, OnnxTarget
from fer_deploy.targets.registry import get_target
from fixtures.lowered import Lower
from fixtures.outside import Outside

Pair = dict[str, tuple[Artifact, Delegation]]
Lowered = tuple[Outside, Graph, Pair]


def lower_both(outside: Outside, folder: Path) -> Lowered:
    graph = quantize_ptq(outside.model, choose_calibration(outside.training, 48))
    pair = {
        name: write_artifact(
            get_target(name), graph, folder / name, outside.model.name, outside.model.weights_sha256
        )
        for name in ("executorch", "onnx")
    }
    return outside, graph, pair


@pytest.fixture(scope="module", params=["separable_model", "rgb112_model"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lowered:
    return lower_both(request.getfixturevalue(request.param), tmp_path_factory.mktemp(request.param))


def optimised(file: Path, folder: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimised.onnx")


def test_signed_weights_answer_the_same(both: Lowered, tmp_path: Path) -> None:
    outside, graph, pair = both
    target = OnnxTarget(OnnxOptions(weights="int8"))
    artifact, _ = write_artifact(target, graph, tmp_path / "onnx", outside.model.name, "0" * 64)
    assert artifact.info.lowering["weights"] == "int8"
    assert "only with session.x64quantprecision" in artifact.info.lowering["exact on"]
    model = onnx.load(artifact.file)
    kinds = Counter(numpy_helper.to_array(item).dtype for item in model.graph.initializer if item.dims)
    assert kinds[np.dtype(np.int8)]
    assert not kinds[np.dtype(np.uint8)]
    pixels = outside.test.pixels
    assert np.array_equal(artifact_logits(artifact, pixels), artifact_logits(pair["onnx"][0], pixels))


def test_int8_agrees_with_float(both: Lowered) -> None:
    outside, _, pair = both
    pixels = outside.test.pixels
    reference = float_graph(outside.model).logits(pixels, "float").argmax(1)
    accuracy = float((reference == outside.test.targets).mean())
    assert accuracy > 0.9, "the fixture must be a trained model"
    for artifact, _ in pair.values():
        answers = artifact_logits(artifact, pixels).argmax(1)
        assert (answers == reference).mean() >= 0.98
        assert accuracy - (answers == outside.test.targets).mean() <= 0.005


def test_both_runtimes_give_the_reference_graphs_answers(both: Lowered) -> None:
    outside, graph, pair = both
    assert graph.scales is not None
    step = graph.scales.activations[-1].scale
    eager = graph.logits(outside.test.pixels, "eager")
    logits = {name: artifact_logits(one, outside.test.pixels) for name, (one, _) in pair.items()}
    for name in logits:
        assert np.abs(logits[name] - eager).max() <= 4 * step, name
    same = logits["onnx"].argmax(1) == logits["executorch"].argmax(1)
    assert same.mean() >= 0.999


def test_whole_graph_is_taken_by_integer_kernels(both: Lowered, tmp_path: Path) -> None:
    _, _, pair = both
    for name, (_, delegation) in pair.items():
        assert delegation.not_delegated == {}, name
        assert delegation.warning() is None
        assert delegation.delegated == delegation.total > 0
    assert pair["executorch"][1].delegates == 1
    kinds = Counter(node.op_type for node in optimised(pair["onnx"][0].file, tmp_path).graph.node)
    assert kinds["QLinearConv"] > 0
    for operation in ("Conv", "FusedConv", "Gemm", "MatMul", "ReduceMean", "GlobalAveragePool", "Add"):
        assert kinds[operation] == 0, kinds


def test_onnx_weights_are_one_byte_initialisers(both: Lowered) -> None:
    outside, _, pair = both
    file = onnx.load(pair["onnx"][0].file)
    assert [(item.domain, item.version) for item in file.opset_import] == [("", 20)]
    arrays = {item.name: numpy_helper.to_array(item) for item in file.graph.initializer}
    integers = sum(array.size for array in arrays.values() if array.dtype == np.uint8 and array.ndim > 1)
    assert not [name for name, array in arrays.items() if array.dtype == np.int8]
    weights = sum(value.numel() for value in outside.model.network.parameters() if value.ndim > 1)
    assert integers == weights + outside.model.contract.input.channels  # and the normalisation
    wide = [name for name, array in arrays.items() if array.dtype == np.float32 and array.ndim > 1]
    assert wide == []


def test_int8_file_is_hardly_larger_than_its_parameters(tmp_path: Path) -> None:
    """On fer_s, if of fewer layers: small models pay for the container, whatever is in it."""
    from fer_deploy.zoo import build
    from fixtures.synthetic import contract_for, input_spec, separable_faces

    network = build("fer_s", num_classes=4, depth=0.25).eval()
    model = Model("fresh", "fresh", network, contract_for(input_spec()), "0" * 64)
    graph = quantize_ptq(model, choose_calibration(separable_faces(80, 0), 32))
    for target in ("executorch", "onnx"):
        lowered = get_target(target).lower(graph, tmp_path)
        assert (tmp_path / lowered.file).stat().st_size <= 1.3 * count_parameters(network), target


def test_artifact_records_how_it_was_lowered(both: Lowered) -> None:
    _, _, pair = both
    info = pair["onnx"][0].info
    assert info.quantization == PtqOptions()
    assert info.lowering["opset"] == "20"
    assert (info.lowering["activations"], info.lowering["weights"]) == ("uint8", "uint8")
    assert "without any session option" in info.lowering["exact on"]
    assert pair["executorch"][0].info.lowering["activations"] == "int8"
    on_disk = json.loads((pair["onnx"][0].folder / "artifact.json").read_text())
    assert on_disk["lowering"] == info.lowering


def test_operators_outside_the_delegate_are_listed_with_the_reason(tmp_path: Path) -> None:
    from torch import Tensor, nn

    from fixtures.synthetic import contract_for, input_spec

    class MeanNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.head(self.conv(x).mean((2, 3)))
            return y

    model = Model("mean", "mean", MeanNet().eval(), contract_for(input_spec()), "0" * 64)
    delegation = get_target("executorch").lower(float_graph(model), tmp_path).delegation
    assert delegation.not_delegated == {"aten_mean_dim": 1}
    warning = delegation.warning()
    assert warning is not None
    assert "1 x aten_mean_dim (mean.dim only supports keepdim=True)" in warning


# The CPU of qemu's Haswell model has AVX2 and no VNNI.
_RUN = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 4
if sys.argv[3]:
    options.add_session_config_entry("session.x64quantprecision", sys.argv[3])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
pixels = numpy.load(sys.argv[2])
numpy.save(sys.argv[4], numpy.concatenate([session.run(None, {"pixels": one[None]})[0] for one in pixels]))
"""


@pytest.fixture
def on_cpu(tmp_path: Path) -> Callable[[Path, np.ndarray, str, str], np.ndarray]:
    """Runs an ONNX file on an emulated CPU and returns its logits; emulation gives true logits, no times."""
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        pytest.skip("qemu-x86_64 is not installed (Debian package qemu-user)")
    if sys.platform != "linux":
        pytest.skip("user-mode emulation needs Linux")

    def run(file: Path, pixels: np.ndarray, cpu: str, precision: str) -> np.ndarray:
        np.save(tmp_path / "pixels.npy", pixels.astype(np.float32))
        output = tmp_path / "logits.npy"
        arguments = [str(file), str(tmp_path / "pixels.npy"), precision, str(output)]
        done = subprocess.run(
            [qemu, "-cpu", cpu, str(Path(sys.executable).resolve()), "-c", _RUN, *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={"PYTHONPATH": ":".join(item for item in sys.path if item), "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        logits: NDArray[np.float32] = np.load(output)
        return logits

    return run


@pytest.mark.slow
def test_no_kernel_saturates_on_x86_without_vnni(
    lowered: Lower, on_cpu: Callable[[Path, np.ndarray, str, str], np.ndarray]
) -> None:
    from fixtures.synthetic import separable_faces

    artifact, _ = lowered("onnx", "w8a8-ptq")
    pixels = separable_faces(16, 7).pixels
    golden = artifact_logits(artifact, pixels)
    for option in ("", "1"):
        np.testing.assert_array_equal(on_cpu(artifact.file, pixels, "Haswell", option), golden)


def test_a_session_that_was_told_nothing_gives_the_same_answers(both: Lowered) -> None:
    outside, _, pair = both
    artifact, pixels = pair["onnx"][0], outside.test.pixels[:64]
    session = onnxruntime.InferenceSession(str(artifact.file), providers=["CPUExecutionProvider"])
    plain = np.concatenate([session.run(None, {"pixels": one[None].astype(np.float32)})[0] for one in pixels])
    np.testing.assert_array_equal(plain, artifact_logits(artifact, pixels))
    assert artifact.info.cautions == ()


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", "fma avx2", True),
        ("x86_64", "avx2 avx512_vnni", False),
        ("AMD64", "avx2 avx_vnni", False),
        ("aarch64", "asimd", False),
        ("x86_64", None, True),
    ],
)
def test_exact_kernels_are_asked_for_where_there_is_no_vnni(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: str | None, expected: bool
) -> None:
    import platform

    from fer_deploy.targets.onnx.runtime import lacks_vnni

    def read(self: Path, encoding: str = "utf-8") -> str:
        assert (str(self), encoding) == ("/proc/cpuinfo", "utf-8")
        if flags is None:
            raise FileNotFoundError(self)
        return f"flags : {flags}\n"

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read)
    answer = lacks_vnni()
    monkeypatch.undo()
    assert answer is expected
