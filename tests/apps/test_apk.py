"""The Android app against the runtimes' real classes, packaged and signed: ``android_demo/build-apk.sh``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from apps.conftest import Script
from apps.test_android_package import assert_aligned
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
        manifest = content.read("AndroidManifest.xml")
        dex = b"".join(content.read(name) for name in sorted(names) if name.endswith(".dex"))
    assert {
        "resources.arsc",
        "lib/arm64-v8a/libonnxruntime.so",
        "lib/arm64-v8a/libonnxruntime4j_jni.so",
    } <= names
    assert not any(name.startswith("lib/") and "arm64" not in name for name in names)
    assert any("extractNativeLibs".encode(encoding) in manifest for encoding in ("utf-8", "utf-16-le"))
    assert_aligned(apk, libraries=2)  # after signing, which writes the entries anew
    for name in (
        b"Lorg/ferdeploy/demo/CameraActivity;",
        b"Lorg/ferdeploy/core/FacePixels;",
        b"Lai/onnxruntime/OrtSession;",
        b"Lorg/ferdeploy/demo/LiteRTEngine;",
    ):
        assert name in dex
    # What stands in for LiteRT's Java is compiled against and never packed: the app then says that it has no runtime.
    assert b"interpreter's process" not in dex


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("OnnxEngine.kt", "environment.createSession(", "environment.createSesion("),
        ("ExecuTorchEngine.kt", "Module.load(", "Module.lode("),
        ("LiteRTEngine.kt", "interpreter.getInputTensor(", "interpreter.getInputTensr("),
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
