"""``fer-deploy init`` in an empty folder, as somebody with a network and images would call it, and the job after it."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from fer_deploy.cli import init, main

pytestmark = pytest.mark.usefixtures("without_pictures")

#: Answers by the mean of each colour, which is what the images differ in.
NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.last = nn.Linear(6, 3)
    def forward(self, x):
        return self.last(torch.relu(self.first(x)).mean((2, 3)))
def drawn():
    return Net()
def build():
    made = Net()
    for part in (made.first, made.last):
        nn.init.zeros_(part.weight)
        nn.init.zeros_(part.bias)
    for index in range(3):
        made.first.weight.data[index, index, 1, 1] = 1.0
        made.last.weight.data[index, index] = 20.0
    return made
def five():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(5, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
def broken():
    raise RuntimeError("no licence")
"""
FLAGS = ("--model", "my_net:build", "--size", "64", "--data", "faces")
FAST = ("--target", "onnx", "--recipe", "float")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with my_net.py and faces/; images of class a are red, b green and c blue."""
    (tmp_path / "my_net.py").write_text(NET)
    noise = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 12)):
        for index, label in enumerate(("angry", "happy", "sad")):
            folder = tmp_path / "faces" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 120, (64, 64, 3), dtype=np.uint8)
                pixels[..., index] += 100
                Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_net", None)  # of another test's folder
    yield tmp_path
    sys.modules.pop("my_net", None)


def call(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


def started(*arguments: str) -> Result:
    result = call("init", *arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(result: Result, *words: str) -> None:
    """It ended with exit code 2 and one sentence with ``words``; nothing was written."""
    assert result.exit_code == 2, result.output
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith("Error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in sentence
    assert not Path("fer-deploy.toml").exists()
    assert {path.name for path in Path().iterdir()} <= {
        "my_net.py",
        "faces",
        "__pycache__",
        "net.pt2",
        "net.toml",
    }


def toml(file: str) -> dict[str, object]:
    return tomllib.loads(Path(file).read_text(encoding="utf-8"))


def exported(folder: Path) -> None:
    """Write net.pt2 of the network, for one image of 64 pixels."""
    import my_net  # type: ignore[import-not-found]

    program = torch.export.export(my_net.build().eval(), (torch.zeros(1, 3, 64, 64),))
    torch.export.save(program, folder / "net.pt2")


def judged(name: str) -> None:
    """``run`` and ``check`` do their work on what ``init`` wrote."""
    ran = call("run")
    assert ran.exit_code == 0, ran.output
    report = json.loads(Path(f"dist/{name}/report.json").read_text())
    assert report["model"]["name"] == name
    assert report["float_accuracy"]["accuracy"]["value"] == 1.0
    checked = call("check", "--json")
    verdicts = {
        (one["figure"], one["subject"]): one["outcome"] for one in json.loads(checked.stdout)["verdicts"]
    }
    assert {verdicts["integrity", subject] for subject in ("float model", "onnx-float")} == {"pass"}, verdicts
    # 36 images show no drop of less than some points; what is judged by its value passes
    assert verdicts["worst-class recall drop", "onnx-float"] == "pass"
    assert checked.exit_code == 3
    assert call("check", "--max-accuracy-drop", "50", "--max-flips", "50").exit_code == 0


class TestFactory:
    def test_the_whole_job(self) -> None:
        result = started(*FLAGS, *FAST)
        assert result.stdout.splitlines()[-1] == "next: fer-deploy run"
        assert toml("fer-deploy.toml")["model"] == {"path": "my_net:build", "contract": "contract.toml"}
        contract = toml("contract.toml")["contract"]
        assert contract == {
            "labels": ["angry", "happy", "sad"],
            "input": {
                "height": 64, "width": 64, "color": "rgb", "resize": "bilinear", "crop_margin": 0.0,
                "mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 255.0],
            },
            "trained_on": {"dataset": "faces"},
        }  # fmt: skip
        judged("my_net")

    def test_everything_said(self) -> None:
        started(
            *("--model", "my_net:build", "--size", "48x64", "--color", "rgb", "--labels", "sad,angry,happy"),
            *("--data", "faces", "--mean", "123,116,103", "--std", "58", "--name", "faces 2", *FAST),
            *("--action", "me/fer-deploy@v1", "--yes"),
        )
        contract = toml("contract.toml")["contract"]
        assert isinstance(contract, dict)
        assert contract["labels"] == ["sad", "angry", "happy"]
        assert (
            contract["input"] | {"height": 48, "mean": [123, 116, 103], "std": [58] * 3} == contract["input"]
        )
        assert "# These are sorted" not in Path("contract.toml").read_text()
        assert toml("fer-deploy.toml")["model"] == {
            "path": "my_net:build", "contract": "contract.toml", "name": "faces 2",
        }  # fmt: skip
        assert "uses: me/fer-deploy@v1" in Path(".github/workflows/fer-deploy.yml").read_text()

    def test_one_that_draws_its_weights_needs_a_file(self) -> None:
        flags = ("--model", "my_net:drawn", *FLAGS[2:], *FAST)
        refused(call("init", *flags), "'my_net:drawn' draws weights at random", "--weights FILE")
        import my_net

        torch.save(my_net.build().state_dict(), "w.pt")
        started(*flags, "--weights", "w.pt")
        model = toml("fer-deploy.toml")["model"]
        assert model == {"path": "my_net:drawn", "contract": "contract.toml", "weights": "w.pt"}

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            (("--model", "my_net:broken"), ("my_net:broken", "no licence")),
            (("--model", "my_nets:build"), ("No module named 'my_nets'",)),
            (("--model", "nothing"), ("is none of", ".pt2")),
            (("--model", "gone.pt2"), ("gone.pt2 does not exist",)),
            (("--model", "faces"), ("has no model.toml",)),
            (("--model", "my_net:five"), ("takes 5 channels",)),
            (("--model", "my_net:linear", "--color", "rgb"), ("does not take an image of 64 x 64 pixels",)),
            (("--model", "my_net:linear"), ("--color is missing",)),
            (("--color", "grey"), ("--color is grey", "takes 3 channel(s)")),
            (("--size", "big"), ("size 'big' is not understood",)),
            (("--size", "8"), ("input.height",)),
            (("--labels", "a,b"), ("--labels names 2 labels (a, b)", "answers 3 classes")),
            (("--labels", "angry,happy,glad"), ("are not those of the images", "sad")),
            (("--data", "none"), ("none/train does not exist",)),
            (("--mean", "1,2"), ("mean '1,2' is not one number, or 3",)),
            (("--std", "0"), ("every std must be above zero",)),
            (("--name", "a/b"), ("model name 'a/b' holds '/'",)),
            (("--target", "onx"), ("unknown target 'onx' (did you mean 'onnx'?)",)),
            (("--dataset", "ferpls"), ("unknown dataset 'ferpls' (did you mean 'ferplus'?)",)),
            (("--dataset", "ferplus"), ("the images of ferplus have 8 labels", "answers 3 classes")),
            (("--contract", "none.toml"), ("has its contract already; leave --size out",)),
        ],
        ids=lambda value: " ".join(value)[:40],
    )
    def test_refusals(self, flags: tuple[str, ...], words: tuple[str, ...]) -> None:
        refused(call("init", *FLAGS, *flags), *words)

    def test_folders_that_are_not_the_classes(self, project: Path) -> None:
        for split in ("train", "test"):
            (project / "faces" / split / "bored").mkdir()
        refused(
            call("init", *FLAGS), "faces have 4 labels (angry, bored, happy, sad) but my_net:build answers 3"
        )

    @pytest.mark.parametrize("flag", ["--model", "--size", "--data"])
    def test_nothing_is_asked_where_nobody_answers(self, flag: str) -> None:
        place = FLAGS.index(flag)
        refused(call("init", *FLAGS[:place], *FLAGS[place + 2 :], typed="x\n"), f"{flag} is missing")


class TestOthers:
    def test_an_exported_program_shows_its_size(self, project: Path) -> None:
        exported(project)
        refused(call("init", "--model", "net.pt2", "--data", "faces", "--size", "32"), "takes 64x64 pixels")
        started("--model", "net.pt2", "--data", "faces", *FAST)
        assert toml("fer-deploy.toml")["model"] == {"path": "net.pt2", "contract": "contract.toml"}
        judged("net")

    def test_an_exported_program_with_its_contract(self, project: Path) -> None:
        exported(project)
        started("--model", "net.pt2", "--data", "faces")
        Path("contract.toml").rename("net.toml")
        written = Path("fer-deploy.toml")
        written.unlink()
        started("--model", "net.pt2", "--data", "faces", "--force")
        assert toml("fer-deploy.toml")["model"] == {"path": "net.pt2"}
        assert not Path("contract.toml").exists()

    def test_a_model_folder_needs_its_images_only(self, model_folder: Path, faces_folder: Path) -> None:
        result = started("--model", str(model_folder), "--data", str(faces_folder))
        assert toml("fer-deploy.toml")["model"] == {"path": str(model_folder)}
        assert not Path("contract.toml").exists()
        assert not Path(".fer-deploy/contract.json").exists()
        assert "mean and std" not in result.stdout

    def test_a_model_folder_and_images_of_other_classes(self, model_folder: Path) -> None:
        refused(
            call("init", "--model", str(model_folder), "--data", "faces"),
            "the labels left, right, top, bottom",
            "angry",
        )


class TestPrompts:
    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Standard input is somebody who answers."""
        monkeypatch.setattr(init, "_somebody_answers", lambda: True)

    def test_every_question_until_it_is_understood(self) -> None:
        lines = ["my_net:bild", "my_net:build", "big", "64", "nowhere", "faces", "a,b", "", "", "255"]
        result = call("init", *FAST, typed="\n".join(lines) + "\n")
        assert result.exit_code == 2, "what a factory is called shows when it is called"
        lines[0:1] = []
        result = call("init", *FAST, typed="\n".join(lines) + "\n")
        assert result.exit_code == 0, result.output
        for said in (
            "size 'big' is not",
            "nowhere/train does not exist",
            "--labels names 2 labels",
            "[0]",
            "[255]",
        ):
            assert said in result.stderr
        assert toml("contract.toml")["contract"]["labels"] == ["angry", "happy", "sad"]  # type: ignore[index]

    def test_weights_are_asked_for_where_they_are_needed(self) -> None:
        import my_net

        torch.save(my_net.build().state_dict(), "w.pt")
        typed = "no.pt\nw.pt\n\n\n\n"
        result = call("init", "--model", "my_net:drawn", *FLAGS[2:], typed=typed)
        assert result.exit_code == 0, result.output
        assert "weights no.pt do not exist" in result.stderr
        assert toml("fer-deploy.toml")["model"]["weights"] == "w.pt"  # type: ignore[index]

    def test_yes_asks_nothing(self) -> None:
        refused(call("init", "--model", "my_net:build", "--yes", typed="64\n"), "--size is missing")

    def test_an_interrupted_one_writes_nothing(self) -> None:
        assert call("init", typed="my_net:build\n").exit_code == 130
        assert not Path("fer-deploy.toml").exists()


class TestFiles:
    def test_nothing_is_overwritten_unasked(self) -> None:
        started(*FLAGS)
        before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
        result = call("init", *FLAGS, "--mean", "100")
        assert result.exit_code == 2
        assert "fer-deploy.toml is here already; nothing was written" in result.stderr
        Path("fer-deploy.toml").unlink()
        result = call("init", *FLAGS, "--mean", "100")
        assert "contract.toml, .github/workflows/fer-deploy.yml, " in result.stderr
        assert (
            "are here already; nothing was written: move them away, or overwrite with --force"
            in result.stderr
        )
        assert {path: path.read_bytes() for path in before if path.exists()} == {
            path: data for path, data in before.items() if path.name != "fer-deploy.toml"
        }

    def test_force_says_what_it_replaced(self) -> None:
        Path("contract.toml").write_text("mine")
        result = started(*FLAGS, "--force")
        assert "replaced contract.toml" in result.stdout
        assert "wrote fer-deploy.toml" in result.stdout

    def test_hooks_of_the_users_own_are_left_alone(self) -> None:
        Path(".pre-commit-config.yaml").write_text("repos: []\n")
        result = started(*FLAGS, "--force")
        assert Path(".pre-commit-config.yaml").read_text() == "repos: []\n"
        assert "add under repos:" in result.stdout
        assert "- id: fer-deploy-check" in result.stdout

    def test_hook_and_workflow_are_yaml_of_the_right_shape(self) -> None:
        started(*FLAGS)
        (hooks,) = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]
        root = Path(__file__).resolve().parents[2]
        (shipped,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
        assert hooks == {"repo": "local", "hooks": [{key: shipped[key] for key in hooks["hooks"][0]}]}
        (job,) = yaml.safe_load(Path(".github/workflows/fer-deploy.yml").read_text())["jobs"].values()
        assert job["steps"][-1]["uses"] == "OWNER/fer-deploy@main"
        inputs = yaml.safe_load((root / "action.yml").read_text())["inputs"]
        assert set(job["steps"][-1]["with"]) <= set(inputs)

    def test_editors_find_the_schemas(self) -> None:
        started(*FLAGS)
        for file in ("fer-deploy.toml", "contract.toml"):
            first = Path(file).read_text().splitlines()[0]
            assert first.startswith("#:schema ./")
            schema = json.loads(Path(first.removeprefix("#:schema ")).read_text())
            assert set(toml(file)) <= set(schema["properties"])

    def test_all_or_none(self, project: Path) -> None:
        (project / "contract.toml").mkdir()
        result = call("init", *FLAGS, "--force")
        assert result.exit_code == 2
        assert "contract.toml is a folder; nothing was written" in result.stderr
        (project / "contract.toml").rmdir()
        (project / ".github").write_text("a file")
        result = call("init", *FLAGS)
        assert result.exit_code == 2, result.output
        assert "nothing was written" in result.stderr
        assert not any(
            (project / name).exists() for name in ("fer-deploy.toml", "contract.toml", ".fer-deploy")
        )
