"""Planted faults: `check` is red for every one, and names the cause where it can be known (docs/gate.md)."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner, Result
from PIL import Image

from fer_deploy.cli import main
from fer_deploy.model import MODEL_FILE, Model, load_model, save_model
from fer_deploy.pipeline.export import Graphs
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import Recipe
from fixtures.job import Job
from fixtures.synthetic import LABELS, TINY, contract_for, input_spec, tiny_recipe

pytestmark = pytest.mark.usefixtures("without_pictures")

LIMITS = ("--max-accuracy-drop", "6", "--min-accuracy", "60")
#: Of a job with more than one target.
PAIRS = ("--min-target-agreement", "60")
ACCEPT = ("--accept", "measured", "--accept", "emulated")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def red(result: Result, *words: str, code: int = 3) -> dict[str, Any]:
    """Assert that a `check --json` was red, and that what is red says ``words``; return the check."""
    assert result.exit_code == code, result.output
    check: dict[str, Any] = json.loads(result.stdout)
    said = " ".join(one["message"] for one in check["verdicts"] if one["outcome"] != "pass")
    for word in words:
        assert word in said
    return check


class Bench:
    """Runs the tiny net on one target, float, and checks the report."""

    def __init__(self, folder: Path, model: Path, faces: Path, targets: tuple[str, ...] = ("onnx",)) -> None:
        self.folder, self.model, self.faces, self.targets = folder, model, faces, targets
        self.config = folder / "fer-deploy.toml"

    def run(self, *flags: object) -> Result:
        self.configure()
        return call("run", "--config", self.config, *flags)

    def configure(self) -> None:
        document = {
            "model": {"path": str(self.model)},
            "data": {"kind": "folder", "path": str(self.faces)},
            "export": {"targets": list(self.targets), "recipes": ["float"], "output": "out"},
            "profile": {"devices": ["pixel-8"]},  # not attached: no fault here is one of timing
        }
        self.config.write_text(tomli_w.dumps(document))

    def check(self, *flags: object) -> Result:
        return call("check", "--config", self.config, "--json", *LIMITS, *flags)

    @property
    def output(self) -> Path:
        return self.folder / "out" / self.model.name


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the repository, whose own fer-deploy.toml would be taken for the reports' configuration."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def faces(faces_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(faces_folder, tmp_path / "faces"))


@pytest.fixture
def bench(tmp_path: Path, model: Path, faces: Path) -> Bench:
    return Bench(tmp_path, model, faces)


@pytest.fixture
def ran(bench: Bench, good_output: Path) -> Bench:
    """A bench whose good job was run."""
    bench.configure()
    shutil.copytree(good_output, bench.output)
    return bench


@pytest.fixture(scope="module")
def good_output(model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bench's run wrote that nobody planted a fault in."""
    folder = tmp_path_factory.mktemp("good")
    model = Path(shutil.copytree(model_folder, folder / "model"))
    bench = Bench(folder, model, faces_folder)
    assert bench.run().exit_code == 0
    return bench.output


@pytest.fixture
def finished(job: Job, tmp_path: Path) -> Path:
    """A copy of the good job: its report.json, to be tampered with."""
    return job.copied(tmp_path / "out" / job.output.name)


def plant(monkeypatch: pytest.MonkeyPatch, fault: Callable[[Any, Model], Any]) -> None:
    """Have `run` lower graphs whose module went through ``fault``; the float reference stays as it is."""

    build = Graphs._graph

    def faulty(graphs: Graphs, recipe: Recipe) -> Graph:
        good = build(graphs, recipe) if recipe.quantized else float_graph(graphs._model, recipe)
        # Without evidence, or the faulty graph would not get as far as a report.
        return Graph(fault(good.module, graphs._model), good.contract, recipe, good.scales)

    monkeypatch.setattr(Graphs, "_graph", faulty)


def test_a_good_job_is_green(job: Job, finished: Path) -> None:
    result = call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json")
    assert result.exit_code == 0, result.output
    assert "PASS: " in call("check", "--config", job.config, *LIMITS, *PAIRS, *ACCEPT).output


class TestPreprocessing:
    def test_wrong_mean_and_std_in_an_artifact(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def fault(_: Any, model: Model) -> Any:
            spec = model.contract.input.model_copy(update={"mean": (0.0,), "std": (255.0,)})
            contract = model.contract.model_copy(update={"input": spec})
            return float_graph(Model(model.name, model.source, model.network, contract, "")).module

        plant(monkeypatch, fault)
        assert bench.run().exit_code == 0
        red(bench.check(), "answers like the float model with pixels scaled to 0..1")

    def test_wrong_mean_and_std_in_the_contract(self, ran: Bench) -> None:
        """Model and artifacts are wrong alike, so nothing drops: accuracy and the reference tell."""
        bench = ran
        assert call("baseline", "--config", bench.config).exit_code == 0
        toml = bench.model / MODEL_FILE
        text = toml.read_text()
        assert "128.0" in text
        # so far off that even a network which hardly minds the scale answers at random
        toml.write_text(text.replace("128.0", "0.0").replace("64.0", "2550.0"))
        red(bench.check(), "contract was changed since the run", "input.mean is [0.0]")
        assert bench.run().exit_code == 0
        red(bench.check(), "the contract (input.mean is [128.0]", "the model does far better with")

    def test_swapped_channels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = colour_bench(tmp_path)
        assert bench.run().exit_code == 0
        assert bench.check().exit_code == 0, bench.check().output
        plant(monkeypatch, lambda module, _: reversed_channels(module))
        assert bench.run("--fresh").exit_code == 0
        red(bench.check(), "answers like the float model with its colour channels in reverse order")


class TestLabels:
    def test_shuffled_test_labels(self, bench: Bench) -> None:
        test = bench.faces / "test"
        for label in LABELS:
            (test / label).rename(test / f"{label}.")
        for label, other in zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True):
            (test / f"{label}.").rename(test / other)
        assert bench.run().exit_code == 0
        red(bench.check(), "the labels are in another order", "right comes out as left")

    def test_shuffled_outputs(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        plant(monkeypatch, lambda module, _: rolled_outputs(module))
        assert bench.run().exit_code == 0
        red(bench.check(), "the artifact's outputs are in another order")


class TestNumerics:
    def test_batch_norm_in_training_mode(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        plant(monkeypatch, lambda module, _: own_statistics(module))
        assert bench.run().exit_code == 0
        red(bench.check(), "with BatchNorm left in training mode")

    def test_saturating_kernels(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        plant(monkeypatch, lambda module, _: saturating(module, 0.05))
        assert bench.run().exit_code == 0
        check = red(bench.check())
        failed = {one["figure"] for one in check["verdicts"] if one["outcome"] == "fail"}
        assert "accuracy drop" in failed

    def test_minus_infinity_padding(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        plant(monkeypatch, lambda module, _: minus_infinity(module))
        result = bench.run()
        assert result.exit_code == 2, result.output
        assert "not finite" in result.output
        assert bench.check().exit_code == 2, "and there is no report to be green"


class TestFiles:
    def test_truncated_artifact(self, finished: Path) -> None:
        file = finished.parent / "onnx-float" / "model.onnx"
        file.write_bytes(file.read_bytes()[:-100])
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "model.onnx is damaged")

    def test_missing_artifact(self, finished: Path) -> None:
        shutil.rmtree(finished.parent / "onnx-float")
        document = json.loads(finished.read_text())
        for one in document["artifacts"]:
            one["path"] = "gone"
        finished.write_text(json.dumps(document))
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "is not an artifact folder")

    def test_artifact_of_another_model(
        self, finished: Path, model: Path, faces: Path, tmp_path: Path
    ) -> None:
        other = load_model(model)
        with_noise(other)
        save_model(tmp_path / "edges", other.network, TINY, other.contract, {})
        exported(tmp_path / "edges", faces, tmp_path / "elsewhere")
        replace(finished.parent / "onnx-float", tmp_path / "elsewhere" / "edges" / "onnx-float")
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "is an artifact of another model")

    def test_artifact_with_another_contract(
        self, finished: Path, model: Path, faces: Path, tmp_path: Path
    ) -> None:
        toml = model / MODEL_FILE
        toml.write_text(toml.read_text().replace("128.0", "120.0"))
        exported(model, faces, tmp_path / "elsewhere")
        replace(finished.parent / "onnx-float", tmp_path / "elsewhere" / "model" / "onnx-float")
        red(
            call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"),
            "input.mean is [120.0] in the artifact and [128.0] in the report",
        )

    def test_report_of_another_artifact(self, finished: Path) -> None:
        document = json.loads(finished.read_text())
        document["artifacts"][0]["sha256"] = "0" * 64
        finished.write_text(json.dumps(document))
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "the report is of another artifact")

    def test_one_artifact_in_anothers_folder(self, finished: Path) -> None:
        replace(finished.parent / "onnx-float", finished.parent / "executorch-float")
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "holds executorch-float")

    def test_contract_changed_in_the_artifact(self, finished: Path) -> None:
        path = finished.parent / "onnx-float" / "artifact.json"
        path.write_text(path.read_text().replace('"left"', '"links"'))
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "was changed after export")

    def test_golden_vectors_of_another_artifact(self, finished: Path) -> None:
        shutil.copy(
            finished.parent / "executorch-float" / "golden.json",
            finished.parent / "onnx-float" / "golden.json",
        )
        red(
            call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"),
            "golden.json belongs to another artifact",
        )

    def test_weights_changed_since_the_report(self, ran: Bench) -> None:
        assert ran.check().exit_code == 0
        other = load_model(ran.model)
        with_noise(other)
        save_model(ran.model, other.network, TINY, other.contract, {})
        red(ran.check(), "are not those that were reported on")


class TestWhatWasNotTested:
    def test_target_skipped(self, ran: Bench) -> None:
        document = tomllib.loads(ran.config.read_text())
        del document["export"]["targets"]
        ran.config.write_text(tomli_w.dumps(document))
        red(ran.check(), "it was skipped", code=4)

    def test_empty_test_set(self, bench: Bench) -> None:
        for image in (bench.faces / "test").rglob("*.png"):
            image.unlink()
        result = bench.run()
        assert result.exit_code == 2
        assert "image" in result.output
        assert bench.check().exit_code == 2

    def test_a_report_on_no_image(self, finished: Path) -> None:
        document = json.loads(finished.read_text())
        document["dataset"] |= {"images": 0, "per_class": dict.fromkeys(LABELS, 0)}
        finished.write_text(json.dumps(document))
        red(call("check", finished, *LIMITS, *PAIRS, *ACCEPT, "--json"), "holds no image: nothing was tested")

    def test_one_class_only(self, bench: Bench) -> None:
        for label in LABELS[1:]:
            shutil.rmtree(bench.faces / "test" / label)
            (bench.faces / "test" / label).mkdir()
        result = bench.run()
        if result.exit_code == 0:
            red(bench.check(), "holds images of left only")
        else:
            assert result.exit_code == 2
            assert bench.check().exit_code == 2


def exported(model: Path, faces: Path, output: Path) -> None:
    data = ("--dataset", "folder", "--data", faces, "--recipe", "float")
    result = call("export", "--target", "onnx", "--model", model, "--output", output, *data)
    assert result.exit_code == 0, result.output


def replace(folder: Path, other: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def with_noise(model: Model) -> None:
    import torch

    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(1.001)


def reversed_channels(module: Any) -> Any:
    import torch

    class Reversed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.inner(torch.flip(pixels, (1,)))  # type: ignore[no-any-return]

    return Reversed()


def rolled_outputs(module: Any) -> Any:
    import torch

    class Rolled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            logits = self.inner(pixels)
            return torch.cat((logits[:, 1:], logits[:, :1]), dim=1)

    return Rolled()


def own_statistics(module: Any) -> Any:
    """BatchNorm in training mode at batch 1, written so that it can be exported."""
    import copy

    import torch

    class Own(torch.nn.Module):
        def __init__(self, norm: torch.nn.BatchNorm2d) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = x.mean(dim=(0, 2, 3), keepdim=True)
            variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
            scale, shift = self.norm.weight.view(1, -1, 1, 1), self.norm.bias.view(1, -1, 1, 1)
            return (x - mean) / torch.sqrt(variance + self.norm.eps) * scale + shift

    changed = copy.deepcopy(module)
    swap(changed, torch.nn.BatchNorm2d, Own)
    return changed


def saturating(module: Any, most: float) -> Any:
    import copy

    import torch

    class Saturating(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.clamp(self.inner(x), -most, most)

    changed = copy.deepcopy(module)
    swap(changed, torch.nn.BatchNorm2d, Saturating)
    return changed


def minus_infinity(module: Any) -> Any:
    """Borders of -inf, as a max-pool pads, that reach a convolution: 0 times infinity is no number."""
    import torch

    class Padded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1), value=float("-inf"))
            return self.inner(padded[:, :, 1:, 1:])  # type: ignore[no-any-return]

    return Padded()


def swap(module: Any, kind: type, wrap: Callable[[Any], Any]) -> None:
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, wrap(child))
        else:
            swap(child, kind, wrap)


def colour_bench(folder: Path) -> Bench:
    """A net and faces whose class is told by colour: red or blue, on the left or on the right."""
    from fer_deploy.data.faces import Faces, one_hot
    from fer_deploy.train.loop import Trainer

    def colour_faces(count: int, seed: int) -> Faces:
        draw = np.random.default_rng(seed)
        targets = (np.arange(count) % len(LABELS)).astype(np.int64)
        pixels = draw.integers(0, 120, (count, 3, 24, 24), dtype=np.int64)
        for index, target in enumerate(targets):
            channel, side = (0, 2)[target // 2], (np.s_[..., :12], np.s_[..., 12:])[target % 2]
            pixels[index, channel][side] += 100
        return Faces(
            name=f"colours {seed}",
            labels=LABELS,
            pixels=pixels.astype(np.uint8),
            targets=targets,
            distribution=one_hot(targets, len(LABELS)),
            rows=np.arange(count, dtype=np.int64),
            leaked=np.zeros(count, dtype=np.bool_),
        )

    recipe = tiny_recipe(epochs=5, input=input_spec(color="rgb"))
    trained = Trainer(recipe, colour_faces(320, 0), colour_faces(80, 1), folder / "run").run()
    assert trained.best_accuracy > 0.9
    architecture = TINY
    save_model(folder / "colours", trained.network, architecture, contract_for(recipe.input), {})
    for split, count, seed in (("train", 40, 2), ("test", 100, 3)):
        faces = colour_faces(count, seed)
        for index, (pixels, target) in enumerate(zip(faces.pixels, faces.targets, strict=True)):
            path = folder / "faces" / split / LABELS[target] / f"{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    return Bench(folder, folder / "colours", folder / "faces")
