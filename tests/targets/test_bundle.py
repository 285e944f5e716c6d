"""Artifacts go into the demos whole, and only where they can run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.errors import ArtifactError, ConfigError, OutputError, TargetError
from fer_deploy.targets.artifact import open_artifact
from fer_deploy.targets.bundle import bundle
from fixtures.lowered import Lower

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def android(tmp_path: Path) -> Path:
    (tmp_path / "android_demo/gradle").mkdir(parents=True)
    catalog = "android_demo/gradle/libs.versions.toml"
    shutil.copyfile(REPOSITORY / catalog, tmp_path / catalog)
    return tmp_path / "android_demo"


@pytest.fixture
def ios(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "ios_demo/FerDemo.xcodeproj", tmp_path / "ios_demo/FerDemo.xcodeproj")
    return tmp_path / "ios_demo"


def _replace(file: Path, pattern: str, value: str) -> None:
    text, count = re.subn(pattern, value, file.read_text())
    assert count
    file.write_text(text)


@pytest.mark.parametrize("target", ["onnx", "executorch", "litert"])
def test_android_takes_what_it_runs(android: Path, lowered: Lower, target: str) -> None:
    artifact = lowered(target, "float")[0]
    goal = bundle("android", artifact.folder, android)
    assert goal == android / "app/src/main/assets/artifact"
    assert open_artifact(goal).info == artifact.info


def test_ios_takes_a_package(ios: Path, lowered: Lower) -> None:
    artifact = lowered("coreml", "float")[0]
    goal = bundle("ios", artifact.folder, ios)
    assert goal == ios / "Artifact" / "bundled"
    assert open_artifact(artifact.folder), "reading the package must not change it"
    assert open_artifact(goal).info == artifact.info


def test_another_artifact_replaces_the_first_wholly(android: Path, lowered: Lower) -> None:
    bundle("android", lowered("onnx", "float")[0].folder, android)
    goal = bundle("android", lowered("executorch", "float")[0].folder, android)
    assert {file.name for file in goal.iterdir()} == {"artifact.json", "golden.json", "model.pte"}


def test_the_wrong_target_is_refused(android: Path, ios: Path, lowered: Lower) -> None:
    with pytest.raises(
        TargetError,
        match=r"the android demo runs onnx, executorch and litert artifacts, and .* is for coreml",
    ):
        bundle("android", lowered("coreml", "float")[0].folder, android)
    with pytest.raises(TargetError, match=r"the ios demo runs coreml artifacts, and .* is for onnx"):
        bundle("ios", lowered("onnx", "float")[0].folder, ios)


@pytest.mark.parametrize(
    ("target", "package", "old"),
    [
        ("executorch", "executorch", "1.0.1"),
        ("onnx", "onnxruntime", "1.19.2"),
        ("litert", "litert", "1.3.0"),
    ],
)
def test_a_runtime_that_is_too_old_is_named(
    android: Path, lowered: Lower, target: str, package: str, old: str
) -> None:
    _replace(android / "gradle/libs.versions.toml", rf'\n{package} = "[^"]+"', f'\n{package} = "{old}"')
    with pytest.raises(
        TargetError, match=rf"needs {package} 1\.[0-9.]+ or later, and the demo has {old}; raise it in"
    ):
        bundle("android", lowered(target, "float")[0].folder, android)
    assert not (android / "app").exists()


def test_an_ios_that_is_too_old_is_named(ios: Path, lowered: Lower) -> None:
    _replace(
        ios / "FerDemo.xcodeproj/project.pbxproj", r"DEPLOYMENT_TARGET = 17\.0", "DEPLOYMENT_TARGET = 14.0"
    )
    with pytest.raises(TargetError, match=r"needs iOS 1[5-8], and the demo runs from iOS 14\.0 on"):
        bundle("ios", lowered("coreml", "float")[0].folder, ios)


def test_a_damaged_artifact_is_refused_and_the_old_one_stays(
    android: Path, lowered: Lower, tmp_path: Path
) -> None:
    good = lowered("onnx", "float")[0].folder
    goal = bundle("android", good, android)
    bad = Path(shutil.copytree(good, tmp_path / "bad"))
    (bad / "model.onnx").write_bytes((bad / "model.onnx").read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="is damaged"):
        bundle("android", bad, android)
    assert open_artifact(goal)


def test_a_folder_that_is_no_demo_is_refused(tmp_path: Path, lowered: Lower) -> None:
    with pytest.raises(OutputError, match=r"is not the Android demo: it has no gradle/libs\.versions\.toml"):
        bundle("android", lowered("onnx", "float")[0].folder, tmp_path)
    with pytest.raises(OutputError, match="is not the iOS demo: it has no FerDemo"):
        bundle("ios", lowered("coreml", "float")[0].folder, tmp_path)
    with pytest.raises(ConfigError, match="there is no app 'windows'; the apps are android and ios"):
        bundle("windows", tmp_path)


def test_the_command_says_what_to_do_next(android: Path, lowered: Lower) -> None:
    folder = lowered("onnx", "float")[0].folder
    done = CliRunner().invoke(main, ["bundle", str(folder), "--app", "android", "--demo", str(android)])
    assert done.exit_code == 0, done.output
    assert "build the app again" in done.output
    wrong = CliRunner().invoke(main, ["bundle", str(folder), "--app", "ios", "--demo", str(android)])
    assert wrong.exit_code == 2
    assert "the ios demo runs coreml artifacts" in wrong.output
