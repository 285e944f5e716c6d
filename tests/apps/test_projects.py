"""What the demos' build files promise, checked without their toolchains."""

from __future__ import annotations

import plistlib
import re
import tomllib
from xml.etree import ElementTree

from apps.conftest import REPOSITORY
from fer_deploy.devices.runners.job import DEMO_PACKAGE, DEMO_RUNNER, INPUTS, LOGITS, RESULT
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.adb import AdbTransport

ANDROID, IOS = REPOSITORY / "android_demo", REPOSITORY / "ios_demo"
_NAME = "{http://schemas.android.com/apk/res/android}name"


def test_the_android_app_asks_for_the_camera_and_nothing_else() -> None:
    manifest = ElementTree.parse(ANDROID / "app/src/main/AndroidManifest.xml").getroot()
    assert [one.get(_NAME) for one in manifest.iter("uses-permission")] == ["android.permission.CAMERA"]
    application = manifest.find("application")
    assert application is not None
    assert application.get(_NAME.replace("name", "allowBackup")) == "false"


def test_only_adb_may_start_the_benchmark() -> None:
    manifest = ElementTree.parse(ANDROID / "app/src/main/AndroidManifest.xml").getroot()
    (activity,) = [one for one in manifest.iter("activity") if one.get(_NAME) == ".BenchmarkActivity"]
    # held by adb's shell and the system; no app from a store is granted it
    assert activity.get(_NAME.replace("name", "permission")) == "android.permission.DUMP"


def test_transport_and_demo_agree_on_names() -> None:
    build = (ANDROID / "app/build.gradle.kts").read_text()
    activity = (ANDROID / "app/src/main/kotlin/org/ferdeploy/demo/BenchmarkActivity.kt").read_text()
    job = (ANDROID / "core/src/main/kotlin/org/ferdeploy/core/BenchmarkJob.kt").read_text()
    script = DEMO_RUNNER.read_text()
    assert f'applicationId = "{DEMO_PACKAGE}"' in build
    assert f"app={DEMO_PACKAGE}\n" in script
    assert f'File("{AdbTransport.folder}")' in activity
    assert 'File(files, "run")' in activity
    assert "results=/sdcard/Android/data/$app/files/run\n" in script
    assert '.getStringExtra("protocol")' in activity
    for name in (INPUTS, LOGITS, RESULT):
        assert f'"{name}"' in job


def test_no_app_opens_a_connection_or_the_picture_library() -> None:
    sources = [
        *ANDROID.rglob("src/main/**/*.kt"),
        *(IOS / "App").rglob("*.swift"),
        *(IOS / "Core/Sources").rglob("*.swift"),
    ]
    assert len(sources) > 20
    for source in sources:
        text = source.read_text()
        found = re.search(
            r"URLSession|HttpURL|java\.net|Socket|MediaStore|PHPhotoLibrary|UIImageWriteToSaved", text
        )
        assert found is None, f"{source}: {found}"


def test_the_iphone_says_why_it_wants_the_camera() -> None:
    info = plistlib.loads((IOS / "App/Info.plist").read_bytes())
    assert "never leave the phone" in info["NSCameraUsageDescription"]
    assert not [key for key in info if key.endswith("UsageDescription") and key != "NSCameraUsageDescription"]


def test_gradle_takes_the_executorch_that_writes_the_programs() -> None:
    catalog = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text())
    pins = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"executorch=={catalog['versions']['executorch']}" in pins
    modules = {one["module"] for one in catalog["libraries"].values()}
    assert {"org.pytorch:executorch-android", "com.microsoft.onnxruntime:onnxruntime-android"} <= modules


def test_the_xcode_project_has_no_loose_ends() -> None:
    text = (IOS / "FerDemo.xcodeproj/project.pbxproj").read_text()
    assert text.count("{") == text.count("}")
    assert text.count("(") - text.count("$(") == text.count(")") - text.count("$(")
    defined = re.findall(r"^\t\t(FE[0-9A-F]{22})(?: /\*.*?\*/)? = \{", text, re.MULTILINE)
    assert len(defined) == len(set(defined)) > 15
    assert set(re.findall(r"FE[0-9A-F]{22}", text)) == set(defined)
    for folder in re.findall(r"(?:path|relativePath|INFOPLIST_FILE) = (App|Core|App/Info\.plist);", text):
        assert (IOS / folder).exists()
    package = (IOS / "Core/Package.swift").read_text()
    assert (
        re.findall(r"IPHONEOS_DEPLOYMENT_TARGET = ([0-9]+)", text)
        == re.findall(r"\.iOS\(\.v([0-9]+)\)", package) * 2
    )


def test_both_cores_time_by_the_protocol_s_defaults() -> None:
    default = TimingProtocol()
    kotlin = (ANDROID / "core/src/main/kotlin/org/ferdeploy/core/Benchmark.kt").read_text()
    swift = (IOS / "Core/Sources/FerDemoCore/TimingProtocol.swift").read_text()
    for name, camel in {
        "warmups": "warmups",
        "min_runs": "minRuns",
        "min_seconds": "minSeconds",
        "max_seconds": "maxSeconds",
    }.items():
        value = getattr(default, name)
        assert re.search(rf"val {camel}: \w+ = {value}[,\n]", kotlin), camel
        assert re.search(rf"var {camel} = {value}\n", swift), camel
    assert f"val threads: Int = {default.threads}," in kotlin
