"""A target is one folder and one line of the registry: nothing else knows it, and one from outside goes all the way."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result

import fer_deploy
from fer_deploy.cli import main
from fer_deploy.errors import ConfigError, TargetError
from fer_deploy.measure.measurement import Provenance
from fer_deploy.pipeline.config import load_config
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.registry import TARGET_NAMES, get_target, register, target_names, unregister
from fixtures.toy_target import PROGRAM, BareTarget, ToyTarget

_PACKAGE = Path(fer_deploy.__file__).parent
#: Files outside a target's folder that name one, and why they cannot do without.
_EXCEPTIONS = {
    "targets/registry.py": "the one line",
    "targets/bundle.py": "each demo app is built for certain runtimes; this reads its build files",
    "quiet.py": "it stands on the lowest floor, and these are names of loggers",
    "devices/runners/build.py": "the C++ runner is compiled against what the executorch wheel holds",
    "api.py": "the default of a call at a prompt: the one that runs on every system",
    "start/texts.py": "what a new project's budget says of the one target whose accuracy is emulated",
    "devices/transports/htp.py": "Qualcomm's library reads ONNX graphs, and names their nodes",
    "measure/npu.py": "it takes the graph that this library reads apart, step by step",
    "devices/estimator/npu.py": "data: what the published rows' NPU delegate is called",
}


def _files() -> Iterator[tuple[str, ast.Module]]:
    """Yield the files outside the targets' folders, by their path in the package."""
    own = {_PACKAGE / "targets" / name for name in TARGET_NAMES}
    for path in sorted(_PACKAGE.rglob("*.py")):
        if not own & set(path.parents):
            yield path.relative_to(_PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _names_a_target(node: ast.AST) -> bool:
    """True of a literal that is a target's name or an artifact's, ``onnx-float``, and of an import from its folder."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return any(node.value == name or node.value.startswith(f"{name}-") for name in TARGET_NAMES)
    homes = tuple(f"fer_deploy.targets.{name}" for name in TARGET_NAMES)
    if isinstance(node, ast.ImportFrom):
        return f"{node.module}.".startswith(tuple(f"{home}." for home in homes)) or any(
            f"{node.module}.{alias.name}" in homes for alias in node.names
        )
    return isinstance(node, ast.Import) and any(alias.name.startswith(homes) for alias in node.names)


def _naming(module: ast.Module) -> list[int]:
    return [node.lineno for node in ast.walk(module) if _names_a_target(node) and hasattr(node, "lineno")]


def test_nothing_outside_its_folder_names_a_target() -> None:
    found = {file: lines for file, module in _files() if (lines := _naming(module))}
    assert {file: lines for file, lines in found.items() if file not in _EXCEPTIONS} == {}
    assert set(_EXCEPTIONS) <= set(found), "these files name no target any more; take them off the list"


@pytest.mark.parametrize(
    "source",
    [
        "if target == 'onnx':\n    pass",
        "RUNNERS = {'executorch': 1}",
        "match target:\n    case 'coreml':\n        pass",
        "artifact = 'onnx-float'",
        "from fer_deploy.targets.onnx.runtime import session_options",
        "from fer_deploy.targets import coreml",
        "def f():\n    import fer_deploy.targets.executorch.target",
    ],
)
def test_the_search_sees_a_name_wherever_it_hides(source: str) -> None:
    assert _naming(ast.parse(source))


def test_the_search_leaves_words_for_people_alone() -> None:
    assert not _naming(ast.parse('"""onnx and executorch."""\nHELP = "executorch, onnx or coreml"'))


@pytest.fixture(scope="module")
def registered() -> Iterator[tuple[str, ...]]:
    for target in (ToyTarget, BareTarget):
        register(target)
    yield ToyTarget.name, BareTarget.name
    for target in (ToyTarget, BareTarget):
        unregister(target.name)


def command(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def dist(
    registered: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Path,
    faces_folder: Path,
) -> Path:
    """What ``fer-deploy run`` made for the two targets from outside."""
    folder = tmp_path_factory.mktemp("toys")
    document = {
        "model": {"path": str(model_folder)},
        "data": {"kind": "folder", "path": str(faces_folder)},
        "quantize": {"calibration_images": 32},
        "export": {
            "targets": list(registered),
            "recipes": ["w8a8-ptq"],
            "output": "out",
            "toy": {"toy_compressed": True},
        },
        "profile": {"timing": {"min_runs": 20, "min_seconds": 0.0, "warmups": 2}},
    }
    (folder / "fer-deploy.toml").write_text(tomli_w.dumps(document))
    command("run", "--config", folder / "fer-deploy.toml")
    return folder / "out" / model_folder.name


@pytest.fixture(scope="module")
def report(dist: Path) -> Report:
    return load_report(dist / "report.json")


def test_a_whole_run(report: Report) -> None:
    assert [artifact.key for artifact in report.artifacts] == ["toy-w8a8-ptq", "bare-w8a8-ptq"]
    for artifact in report.artifacts:
        assert artifact.accuracy.accuracy.provenance is Provenance.MEASURED
        assert (artifact.parity.agreement.value or 0) > 0.9
        assert artifact.delegation.share.value == 1.0
    assert {(pair.first, pair.second) for pair in report.between_targets} == {("toy", "bare")}
    assert "torch" in report.versions


def test_both_are_timed_in_processes_of_their_own(report: Report) -> None:
    (device,) = report.devices
    for figures in device.figures:
        assert figures.latency_p50.provenance is Provenance.MEASURED, figures.latency_p50.reason
        assert figures.load.known
        assert figures.runtime.startswith(("toy torch 2", "bare torch 2"))


def test_what_a_target_says_of_its_layers_is_in_the_report(report: Report) -> None:
    noise = {artifact.key: artifact for artifact in report.artifacts}
    layers = noise["toy-w8a8-ptq"].layers
    assert [layer.name for layer in layers] == [layer.name for layer in report.graphs[0].layers]
    for mine, shared in zip(layers, report.graphs[0].layers, strict=True):
        assert mine.sqnr.value == pytest.approx(shared.sqnr.value, abs=1), "it runs the graph as it is"
    assert any(layer.sqnr.known for layer in layers)
    (device,) = report.devices
    times = {figures.artifact: figures for figures in device.figures}
    assert times["toy-w8a8-ptq"].layers_reason is None
    multiplying = [layer for layer in times["toy-w8a8-ptq"].layers if layer.macs.known]
    assert [layer.layer for layer in multiplying], "the operators are the network's own layers"
    assert sum(int(layer.macs.value or 0) for layer in multiplying) == report.model.macs.value


def test_what_a_target_cannot_say_is_a_sentence_in_every_view(report: Report, dist: Path) -> None:
    reasons = (
        "target bare gives no inner values",
        "there is no runner for bare; it runs executorch and onnx",
    )
    (noise,) = [artifact for artifact in report.artifacts if artifact.key == "bare-w8a8-ptq"]
    assert (noise.layers, noise.layers_reason) == ((), reasons[0])
    (device,) = report.devices
    times = {figures.artifact: figures for figures in device.figures}
    assert times["bare-w8a8-ptq"].layers_reason == reasons[1]
    for view in ("report.md", "report.html"):
        text = (dist / view).read_text(encoding="utf-8")
        assert all(reason in text for reason in reasons), view
    said = command("report", dist / "report.json").stdout
    assert "bare-w8a8-ptq" in said
    assert "toy-w8a8-ptq" in said


@pytest.fixture(scope="module")
def exported(
    registered: tuple[str, ...],  # noqa: ARG001 - the toy is one of the targets
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Path,
    faces_folder: Path,
) -> dict[bool, Path]:
    """What ``fer-deploy export`` made of the float net for the toy, without its flag and with it."""
    data = ("--model", model_folder, "--dataset", "folder", "--data", faces_folder, "--recipe", "float")
    found = {}
    for compressed in (False, True):
        output = tmp_path_factory.mktemp("exported")
        flags = ("--toy-compressed",) if compressed else ()
        command("export", "--target", "toy", *data, "--output", output, *flags)
        found[compressed] = output / model_folder.name / "toy-float"
    return found


def test_compare(dist: Path, exported: dict[bool, Path], faces_folder: Path) -> None:
    data = ("--dataset", "folder", "--data", faces_folder, "--json")
    toy = json.loads(command("compare", exported[False], dist / "toy-w8a8-ptq", *data).stdout)
    assert toy["layers"]
    assert toy["layers_reason"] is None
    bare = json.loads(command("compare", dist / "toy-w8a8-ptq", dist / "bare-w8a8-ptq", *data).stdout)
    assert bare["parity"]["agreement"]["value"] == 1.0
    assert bare["layers_reason"].endswith("target bare gives no inner values")


def test_layers(dist: Path) -> None:
    profile = json.loads(command("layers", dist / "toy-w8a8-ptq", "--json").stdout)
    assert {layer["place"] for layer in profile["layers"]} == {"torch"}
    assert sum(layer["share"]["value"] or 0 for layer in profile["layers"]) == pytest.approx(1)
    refused = CliRunner().invoke(main, ["layers", str(dist / "bare-w8a8-ptq")])
    assert refused.exit_code == 2
    assert "there is no runner for bare" in refused.stderr


@pytest.mark.parametrize("target", ["toy", "bare"])
def test_inspect_a_folder_and_a_bare_file(target: str, dist: Path) -> None:
    artifact = dist / f"{target}-w8a8-ptq"
    for subject in (artifact, artifact / f"model.{target}"):
        found = json.loads(command("inspect", subject, "--json").stdout)
        assert (found["target"], found["format"]) == (target, "packed graph in a zip")


def test_options_of_its_own_in_the_file_and_as_a_flag(dist: Path, exported: dict[bool, Path]) -> None:
    def packed(artifact: Path) -> int:
        with zipfile.ZipFile(artifact / "model.toy") as archive:
            return archive.getinfo(PROGRAM).compress_type

    assert packed(dist / "toy-w8a8-ptq") == zipfile.ZIP_DEFLATED, "the file asked for it"
    assert "--toy-compressed" in command("export", "--help").stdout
    assert packed(exported[False]) == zipfile.ZIP_STORED
    assert packed(exported[True]) == zipfile.ZIP_DEFLATED


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"toy": {"compresed": True}}, "export.toy.compresed: "),
        ({"toy": {"toy_compressed": "perhaps"}}, "export.toy.toy_compressed: "),
        ({"bare": {"anything": 1}}, "export.bare: unknown key"),
        ({"options": {}}, "export.options: unknown key"),
    ],
)
def test_wrong_options_are_named_by_their_place(table: dict[str, object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "fer-deploy.toml"
    path.write_text(tomli_w.dumps({"model": {"path": "zoo"}, "export": table}))
    with pytest.raises(ConfigError, match=words):
        load_config(path)


@pytest.mark.usefixtures("registered")
def test_a_registered_target_is_one_of_the_defaults_until_it_is_taken_away() -> None:
    assert target_names() == (*TARGET_NAMES, "toy", "bare")
    unregister("bare")
    assert target_names() == (*TARGET_NAMES, "toy")
    assert "--toy-compressed" in command("run", "--help").stdout
    unregister("toy")
    assert "--toy-compressed" not in command("run", "--help").stdout
    register(ToyTarget)
    with pytest.raises(
        TargetError, match="unknown target 'bare'; known: executorch, onnx, coreml, litert, toy"
    ):
        get_target("bare")
    register(BareTarget)


def test_a_name_that_is_taken_is_refused() -> None:
    class Impostor(BareTarget):
        name = "onnx"

    with pytest.raises(TargetError, match="there is a target 'onnx' already"):
        register(Impostor)
    assert get_target("onnx").runtime == "ONNX Runtime CPU"
