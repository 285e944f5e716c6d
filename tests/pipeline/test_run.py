"""The main job on real runtimes: what `fer-deploy run` leaves behind and says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.model import Model
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.artifact import find_artifacts, open_artifact
from fixtures.job import Job

KEYS = {
    f"{target}-{recipe}" for target in ("executorch", "onnx", "coreml") for recipe in ("float", "w8a8-ptq")
}


@pytest.fixture(scope="module")
def report(job: Job) -> Report:
    assert job.result.exit_code == 0, job.result.output
    return load_report(job.output / "report.json")


def test_every_artifact_is_written_and_named_in_the_report(job: Job, report: Report) -> None:
    assert {one.key for one in report.artifacts} == KEYS
    assert {one.key for one in find_artifacts(job.output.parent)} == KEYS
    for one in report.artifacts:
        artifact = open_artifact(Path(one.path))
        assert artifact.info.sha256 == one.sha256
        assert artifact.info.contract_sha256 == report.model.contract_sha256
        assert one.size.value == artifact.info.size_bytes


def test_the_figures_are_those_of_the_artifacts(
    job: Job, report: Report, faces_folder: Path, trained_model: Model
) -> None:
    spec = DatasetSpec(kind="folder", path=faces_folder)
    faces = open_dataset(spec, "test", trained_model.contract.labels, trained_model.contract.input)
    for one in report.artifacts:
        if one.target == "coreml":
            continue
        logits = artifact_logits(open_artifact(job.output / one.key), faces.pixels)
        assert one.accuracy.accuracy.value == pytest.approx((logits.argmax(1) == faces.targets).mean())
        assert one.delegation.share.value == 1.0
        assert one.parity.agreement.value is not None
        assert one.parity.agreement.value >= 0.95


def test_targets_are_compared_with_each_other(report: Report) -> None:
    pairs = {(pair.recipe, pair.first, pair.second) for pair in report.between_targets}
    assert ("w8a8-ptq", "executorch", "onnx") in pairs
    for pair in report.between_targets:
        assert pair.agreement.value is not None
        assert pair.agreement.value >= 0.95


def test_calibration_is_balanced_and_of_training_images(report: Report) -> None:
    assert report.calibration is not None
    assert report.calibration.images == 64
    assert set(report.calibration.per_class.values()) == {16}
    assert len(set(report.calibration.rows)) == 64
    assert "train" in report.calibration.dataset


def test_latency_is_measured_with_its_samples(report: Report) -> None:
    (device,) = report.devices
    assert device.name == "host"
    assert {one.artifact for one in device.figures} == KEYS
    for one in device.figures:
        if one.latency_p50.provenance is Provenance.NOT_MEASURED:
            assert one.latency_p50.reason
            continue
        samples = np.array(one.latency_p50.samples)
        assert len(samples) >= 50
        assert one.latency_p50.value == pytest.approx(np.quantile(samples, 0.5))
        assert one.threads == 1


def test_the_noise_of_each_layer_is_that_of_the_graph(report: Report, trained_model: Model) -> None:
    """ONNX Runtime and the interpreter show the layers of the very graph that they were lowered from."""
    (graph,) = report.graphs
    weighted = [name for name, _ in trained_model.network.named_modules() if hasattr(_, "weight")]
    assert graph.recipe == "w8a8-ptq"
    assert 3 <= len(graph.layers) <= len(weighted) + 1
    shown = {one.key: one for one in report.artifacts if one.layers}
    assert set(shown) == {"onnx-w8a8-ptq", "coreml-w8a8-ptq"}
    for key, one in shown.items():
        wanted = Provenance.MEASURED if key.startswith("onnx") else Provenance.EMULATED
        for layer, other in zip(graph.layers, one.layers, strict=True):
            assert (layer.name, layer.operator) == (other.name, other.operator)
            if layer.sqnr.known:
                assert other.sqnr.provenance is wanted
                assert other.sqnr.value == pytest.approx(layer.sqnr.value, abs=1.5), layer.name
    reasons = {one.key: one.layers_reason for one in report.artifacts if one.layers_reason}
    assert list(reasons) == ["executorch-w8a8-ptq"]
    assert "inner values" in reasons["executorch-w8a8-ptq"]


def test_each_layer_is_timed_or_says_why_not(report: Report) -> None:
    (device,) = report.devices
    for one in device.figures:
        if not one.layers:
            assert one.layers_reason, one.artifact
            continue
        assert sum(layer.share.value or 0 for layer in one.layers) == pytest.approx(1)
        named = [layer.layer for layer in one.layers if layer.layer]
        assert named == [layer.name for layer in report.graphs[0].layers]
    assert {one.artifact for one in device.figures if one.layers} >= {"onnx-float", "onnx-w8a8-ptq"}


def test_the_report_stands_beside_the_artifacts(job: Job, report: Report) -> None:
    page = (job.output / "report.html").read_text(encoding="utf-8")
    markdown = (job.output / "report.md").read_text(encoding="utf-8")
    for one in report.artifacts:
        assert one.key in page
        assert one.key in markdown
    assert "report.html" in job.result.output


def test_nothing_half_written_is_left(job: Job) -> None:
    assert [path for path in job.output.parent.rglob("*") if path.name.endswith(".partial")] == []


def test_golden_vectors_of_the_artifact_hold(job: Job) -> None:
    golden = json.loads((job.output / "onnx-w8a8-ptq" / "golden.json").read_text())
    info = json.loads((job.output / "onnx-w8a8-ptq" / "artifact.json").read_text())
    assert golden["artifact_sha256"] == info["sha256"]
    assert len(golden["vectors"]) >= 4
