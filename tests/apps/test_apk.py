"""The Android app against the runtimes' real classes, packaged and signed: ``android_demo/build-apk.sh``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from apps.conftest import Script
from fer_deploy.targets.bundle import bundle
from fixtures.lowered import Lower

pytestmark = [pytest.mark.apk, pytest.mark.slow]


def test_apk_holds_the_artifact_and_the_runtime(
    build_apk: Script, repository_copy: Path, request: pytest.FixtureRequest
) -> None:
    # Not an argument: session fixtures come first, and this one trains a net even where the test then skips.
    lower: Lower = request.getfixturevalue("lowered")
    artifact = lower("onnx", "float")[0]
    bundle("android", artifact.folder, repository_copy / "android_demo")
    done = build_apk("apk")
    assert done.returncode == 0, done.stdout + done.stderr
    apk = Path(done.stdout.strip().splitlines()[-1])
    with zipfile.ZipFile(apk) as content:
        names = set(content.namelist())
        assert content.read("assets/artifact/model.onnx") == artifact.file.read_bytes()
        stored = content.getinfo("lib/arm64-v8a/libonnxruntime.so")
        assert stored.compress_type == zipfile.ZIP_STORED
        dex = content.read("classes.dex")
    assert {"AndroidManifest.xml", "resources.arsc", "lib/x86_64/libonnxruntime4j_jni.so"} <= names
    for name in (
        b"Lorg/ferdeploy/demo/CameraActivity;",
        b"Lorg/ferdeploy/core/FacePixels;",
        b"Lai/onnxruntime/OrtSession;",
    ):
        assert name in dex


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("OnnxEngine.kt", "environment.createSession(", "environment.createSesion("),
        ("ExecuTorchEngine.kt", "Module.load(", "Module.lode("),
        ("FrontCamera.kt", "manager.openCamera(", "manager.opneCamera("),
    ],
)
def test_a_misspelt_call_does_not_compile(
    build_apk: Script, repository_copy: Path, file: str, right: str, wrong: str
) -> None:
    source = repository_copy / "android_demo/app/src/main/kotlin/org/ferdeploy/demo" / file
    text = source.read_text()
    assert right in text
    source.write_text(text.replace(right, wrong))
    done = build_apk("check")
    assert done.returncode != 0
    assert "unresolved reference" in done.stderr
    assert file in done.stderr
