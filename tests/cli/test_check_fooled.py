"""Every way that was tried to fool `check`, as a user would try it (docs/gate.md has the table)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.model import load_model
from fixtures.job import Job

pytestmark = pytest.mark.usefixtures("without_pictures")

FINE = ("--max-accuracy-drop", "50", "--accept", "emulated")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def report(job: Job, tmp_path: Path) -> Path:
    return job.copied(tmp_path / "out" / job.output.name)


@pytest.fixture
def config(job: Job, report: Path, tmp_path: Path) -> Path:
    """The job's configuration beside a copy of its output."""
    del report
    return Path(shutil.copy(job.config, tmp_path / "fer-deploy.toml"))


def add(config: Path, text: str) -> None:
    config.write_text(config.read_text() + "\n" + text + "\n")


def edit(report: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(report.read_text())
    change(document)
    report.write_text(json.dumps(document))


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    for word in words:
        assert word in line


class TestBudget:
    @pytest.mark.parametrize(
        ("lines", "nearest"),
        [
            ('[budget.artifacts."onxx-*"]\nmax_size_kb = 1', "'onnx-float'"),
            ("[budget.devices.hosst]\nmax_p90_ms = 1", "'host'"),
        ],
    )
    def test_a_limit_on_nothing(self, config: Path, lines: str, nearest: str) -> None:
        add(config, lines)
        refused(call("check", "--config", config), "[budget.", f"the nearest name is {nearest}")

    def test_a_waiver_for_nothing(self, config: Path) -> None:
        add(config, "[[waiver]]\nfigure = 'sise'\nuntil = 2999-01-01\nreason = 'x'")
        refused(call("check", "--config", config, *FINE), "the waiver for sise", "the nearest name is 'size'")

    def test_an_alias(self, config: Path) -> None:
        add(config, "[profile]\ndevices = ['pixel']")
        add(config, "[budget.devices.pixel]\nmax_p90_ms = 1\n[budget]\naccept = ['emulated']")
        result = call("check", "--config", config, "--json")
        judged = [one for one in json.loads(result.stdout)["verdicts"] if one["figure"] == "p90 latency"]
        assert {one["device"] for one in judged} == {"pixel-9"}

    def test_emulated_figures_name_the_remedy(self, report: Path) -> None:
        result = call("check", report, "--max-accuracy-drop", "50", "--json")
        told = [one for one in json.loads(result.stdout)["verdicts"] if "is emulated" in one["message"]]
        if told:
            assert result.exit_code == 4
            assert "--accept emulated lets it pass" in told[0]["message"]
        assert call("check", report, *FINE).exit_code == 0, "and measured ones pass as before"

    def test_what_is_judged_stands_in_the_help(self) -> None:
        assert "Its interval's upper end is judged." in " ".join(call("check", "--help").output.split())

    def test_no_drop_at_all(self, report: Path) -> None:
        result = call("check", report, "--max-accuracy-drop", "0", "--accept", "emulated")
        assert result.exit_code == 3
        assert "--max-flipped-images" in result.output
        flips = max(len(one["parity"]["flips"]) for one in json.loads(report.read_text())["artifacts"])
        assert call("check", report, "--max-flipped-images", flips, "--accept", "emulated").exit_code == 0


class TestReport:
    def test_accuracy_of_99_per_cent(self, report: Path) -> None:
        edit(report, lambda one: one["artifacts"][0]["accuracy"]["accuracy"].update(value=0.42))
        result = call("check", report, *FINE)
        assert result.exit_code == 3
        assert "accuracy is 42.0 %" in " ".join(result.output.split())

    def test_a_smaller_file(self, report: Path) -> None:
        edit(report, lambda one: one["artifacts"][0]["size"].update(value=10))
        result = call("check", report, "--max-size-kb", "1")
        assert result.exit_code == 3
        assert "the report gives 10 bytes" in " ".join(result.output.split())

    def test_another_architecture_for_the_same_weights(
        self, report: Path, config: Path, model_folder: Path, tmp_path: Path
    ) -> None:
        del report
        folder = Path(shutil.copytree(model_folder, tmp_path / "m" / model_folder.name))
        toml = folder / "model.toml"
        toml.write_text(toml.read_text().replace('"relu6"', '"relu"'))
        config.write_text(config.read_text().replace(str(model_folder), str(folder)))
        result = call("check", "--config", config, *FINE)
        assert result.exit_code == 3
        assert "[architecture]" in result.output

    def test_a_model_that_is_not_here(self, report: Path) -> None:
        edit(report, lambda one: one["model"].update(source="gone/fer"))
        result = call("check", report, *FINE)
        assert result.exit_code == 4
        assert "cannot be known: model gone/fer is not here; name the configuration" in " ".join(
            result.output.split()
        )

    def test_answers_made_up_throughout(self, report: Path, config: Path) -> None:
        """Consistent in itself: only running the artifacts again shows it."""
        assert call("check", "--config", config, *FINE, "--recompute").exit_code == 0
        edit(report, swap_answers)
        result = call("check", "--config", config, *FINE, "--recompute", "--json")
        assert result.exit_code == 3
        told = [one for one in json.loads(result.stdout)["verdicts"] if one["figure"] == "answers run again"]
        assert len(told) == 7
        by_subject = {one["subject"]: one for one in told}
        told = by_subject["onnx-float"]["message"]
        assert "answers are not those of the report (images " in told
        assert "80 of 80 images answered again" in told
        assert by_subject["executorch-float"]["outcome"] == "pass"
        refused(call("check", report, *FINE, "--recompute", "--config", "none.toml"), "none.toml")

    def test_the_truth_edited_with_the_answers(self, report: Path, config: Path) -> None:
        """Accuracy of 100 %: the labels are what the model answered. The images say otherwise."""

        def edit_truth(document: dict[str, Any]) -> None:
            document["images"]["targets"] = document["images"]["artifacts"]["onnx-w8a8-ptq"]
            document["dataset"]["account"]["passed_over"] = {"named .md": 1}

        edit(report, edit_truth)
        result = call("check", "--config", config, *FINE, "--recompute", "--json")
        assert result.exit_code == 3
        (told,) = [
            one for one in json.loads(result.stdout)["verdicts"] if one["figure"] == "answers run again"
        ]
        assert (
            "is not that of the report" in told["message"] or "are not those of the report" in told["message"]
        )

    def test_other_test_images(self, config: Path, faces_folder: Path, tmp_path: Path) -> None:
        faces = Path(shutil.copytree(faces_folder, tmp_path / "faces"))
        config.write_text(config.read_text().replace(str(faces_folder), str(faces)))
        assert call("check", "--config", config, *FINE, "--recompute").exit_code == 0, "a path is a label"
        next((faces / "test").rglob("*.png")).unlink()
        result = call("check", "--config", config, *FINE, "--recompute")
        assert result.exit_code == 3
        assert "other images than the report is about" in " ".join(result.output.split())


def swap_answers(document: dict[str, Any]) -> None:
    """Have the report say that onnx-float answered the same class to every image."""
    import base64

    count = document["dataset"]["images"]
    document["images"]["artifacts"]["onnx-float"] = base64.b64encode(bytes(count)).decode()


def _forget_modules() -> None:
    for name in ("own_net", "made_by"):
        sys.modules.pop(name, None)  # of another test's folder


@pytest.fixture(scope="module")
def finished_factory(
    tmp_path_factory: pytest.TempPathFactory, model_folder: Path, faces_folder: Path
) -> Path:
    """A finished run of a factory in a module of its own. Copy it: nothing in it names its folder."""
    folder = tmp_path_factory.mktemp("factory")
    model = load_model(model_folder)
    (folder / "made_by.py").write_text("WIDTH = 0.5\n")
    (folder / "own_net.py").write_text(
        "from fer_deploy.model import Architecture\nfrom made_by import WIDTH\n"
        "def build():\n    return Architecture(name='fer_xs', width=WIDTH, depth=0.5).build(4, 1)\n"
    )
    contract = {"contract": model.contract.model_dump(mode="json")}
    (folder / "contract.toml").write_text(tomli_w.dumps(contract))
    safetensors.torch.save_file(model.network.state_dict(), folder / "weights.safetensors")
    document = {
        "model": {"path": "own_net:build", "contract": "contract.toml", "weights": "weights.safetensors"},
        "data": {"kind": "folder", "path": str(faces_folder)},
        "export": {"targets": ["onnx"], "recipes": ["float"], "output": "out"},
        "profile": {"devices": ["pixel-8"]},  # not attached: nothing here is about timing
        "budget": {"max_accuracy_drop": 50},
    }
    (folder / "fer-deploy.toml").write_text(tomli_w.dumps(document))
    _forget_modules()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        result = call("run")
    assert result.exit_code == 0, result.output
    return folder


class TestFactory:
    @pytest.fixture
    def project(self, finished_factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A copy of it, as the working folder."""
        shutil.copytree(finished_factory, tmp_path, dirs_exist_ok=True)
        _forget_modules()
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    def test_any_change_of_it_is_red_and_what_cannot_be_known_is_not_green(self, project: Path) -> None:
        assert call("check").exit_code == 0, call("check").output
        for name, said in (
            ("made_by.py", "made_by"),
            ("own_net.py", "own_net"),
            ("weights.safetensors", "are not those that were reported on"),
            ("contract.toml", "the contract was changed since the run"),
        ):
            file = project / name
            before = file.read_bytes()
            changed = before.replace(b"128.0", b"120.0") if name == "contract.toml" else before + b"\n"
            file.write_bytes(changed)
            result = call("check")
            assert result.exit_code == 3, f"{name}: {result.output}"
            assert said in " ".join(result.output.split())
            file.write_bytes(before)
        assert call("check").exit_code == 0
        (project / "own_net.py").rename(project / "moved.py")
        result = call("check")
        assert result.exit_code == 4, "what is not to be found is not known to be the same"
        assert "cannot be known: module own_net is not to be found" in " ".join(result.output.split())

    def test_it_may_load_its_own_weights_and_have_a_name(self, project: Path) -> None:
        (project / "own_net.py").write_text(
            "from safetensors.torch import load_file\n"
            "from fer_deploy.model import Architecture\nfrom made_by import WIDTH\n"
            "def build():\n    made = Architecture(name='fer_xs', width=WIDTH, depth=0.5).build(4, 1)\n"
            "    made.load_state_dict(load_file('weights.safetensors'))\n    return made\n"
        )
        sys.modules.pop("own_net", None)
        config = project / "fer-deploy.toml"
        config.write_text(config.read_text().replace('weights = "weights.safetensors"', 'name = "faces"'))
        assert call("run").exit_code == 0
        assert json.loads((project / "out/faces/report.json").read_text())["model"]["name"] == "faces"
        assert call("check").exit_code == 0, call("check").output
        assert call("check", "out/faces/report.json", "--max-accuracy-drop", 50).exit_code == 0
        state = safetensors.torch.load_file(project / "weights.safetensors")
        name = sorted(state)[0]
        safetensors.torch.save_file({**state, name: state[name] + 1}, project / "weights.safetensors")
        result = call("check")
        assert result.exit_code == 3, result.output
        assert "are not those that were reported on" in " ".join(result.output.split())


class TestPlan:
    def test_before_any_run(self, config: Path, report: Path) -> None:
        shutil.rmtree(report.parent)
        add(config, "[budget]\nmax_accuracy_drop = 1\nmax_size_kb = 3")
        result = call("check", "--config", config, "--plan", "--json")
        assert result.exit_code == 0, result.output
        plan = json.loads(result.stdout)
        assert (plan["classes"], plan["chance"], plan["seen"]) == (4, 0.9, None)
        assert plan["limits"][0]["line"] == "[budget] max_accuracy_drop = 1"
        told = call("check", "--config", config, "--plan", "--chance", "99").output
        assert "with a chance of 99 %" in " ".join(told.split())
        assert "max_size_kb = 3 is not about numbers of images alone" in " ".join(told.split())

    def test_with_a_report(self, report: Path) -> None:
        plan = json.loads(call("check", report, "--max-flips", "5", "--plan", "--json").stdout)
        assert plan["there_are"] == {"test images": 80, "images of each class": 20}
        assert plan["seen"] is not None

    def test_bad_input(self, report: Path) -> None:
        refused(call("check", report, "--max-size-kb", "5", "--plan"), "nothing to plan")
        assert call("check", report, "--plan", "--max-flips", "1", "--chance", "100").exit_code == 2
        refused(call("check", report, "--plan", "--max-flips", "1", "--recompute"), "--plan judges nothing")
        report.unlink()
        refused(call("check", "--max-flips", "1", "--plan"), "fer-deploy.toml")
