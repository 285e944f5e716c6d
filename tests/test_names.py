"""The name that was meant is told of commands, options, keys, devices, targets, recipes and data sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.frozen import keys_at
from fer_deploy.names import closest, meant, nearest
from fer_deploy.pipeline.config import Config


def said(*arguments: str | Path) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 2
    return result.stderr.splitlines()[-1]


def test_a_name_like_another() -> None:
    assert closest("onx", ("coreml", "onnx")) == "onnx"
    assert meant("onx", ("coreml", "onnx")) == " (did you mean 'onnx'?)"
    assert nearest("onx-*", ("coreml", "onnx")) == "; the nearest name is 'onnx'"


def test_a_name_like_no_other() -> None:
    assert closest("tflite", ("coreml", "onnx")) is None
    assert meant("tflite", ("coreml", "onnx")) == ""
    assert nearest("tflite", ("coreml", "onnx")) == "; there are: coreml, onnx"
    assert nearest("x", ()) == "; there is none"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rn",), "No such command 'rn'. Did you mean 'run'?"),
        (("chek", "--json"), "No such command 'chek'. Did you mean 'check'?"),
        (("qqqq",), "No such command 'qqqq'."),
        (("run", "--modl", "x"), "No such option '--modl'. Did you mean '--model'?"),
        (
            ("export", "--target", "onx", "--model", "x"),
            "unknown target 'onx' (did you mean 'onnx'?); known: ",
        ),
        (
            ("export", "--target", "onnx", "--recipe", "flot", "--model", "x"),
            "unknown recipe 'flot' (did you mean",
        ),
        (("profile", "--device", "pixel8"), "unknown device 'pixel8' (did you mean 'pixel-8'?); known: "),
        (
            ("evaluate", "x", "--dataset", "ferpls"),
            "unknown dataset 'ferpls' (did you mean 'ferplus'?); known: ",
        ),
    ],
)
def test_on_the_command_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in said(*arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[exprt]", "exprt: unknown key (did you mean 'export'?)"),
        ("[export]\ndelegat = 'x'", "export.delegat: unknown key (did you mean 'delegate'?)"),
        ("[export.coreml]\nimage = true", "export.coreml.image: unknown key (did you mean 'image_input'?)"),
        ("[quantize.ptq]\nobservr = 'mse'", "quantize.ptq.observr: unknown key (did you mean 'observer'?)"),
        ("[budget.artifacts.x]\nmax_flip = 1", "x.max_flip: unknown key (did you mean 'max_flips'?)"),
        ("[[waiver]]\nfigur = 'x'\nuntil = 2030-01-01\nreason = 'x'\nfigure = 'x'", "did you mean 'figure'?"),
        ("[data]\nqqqq = 1", "data.qqqq: unknown key"),
    ],
)
def test_in_the_configuration(text: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "fer-deploy.toml"
    config.write_text(f"[model]\npath = 'm'\n{text}\n")
    assert words in said("run", "--config", config)


def test_the_keys_of_a_table_that_there_is_not() -> None:
    assert keys_at(Config, ("nowhere", 3)) == ()
    assert keys_at(Config, ("model",)) == ("path", "contract", "weights", "name")
