"""What the Android project's Gradle files must say for the build to succeed, as far as files here can tell.

Maven's and Google's repositories cannot be reached, so nothing resolves the dependencies. What each of them is known to
ask for is written down here, with the place it was read; a dependency without an entry fails until somebody looks.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from apps.conftest import REPOSITORY
from fer_deploy.devices.runners.job import runners_of
from fer_deploy.targets.base import Runner
from fer_deploy.targets.bundle import _APPS
from fer_deploy.targets.registry import target_class, target_names

ANDROID = REPOSITORY / "android_demo"


@dataclass(frozen=True)
class Needs:
    androidx: bool
    """Whether AndroidX packages come with it: AGP then refuses a build without android.useAndroidX=true."""
    min_sdk: int
    """The oldest Android its native libraries are built for, or its manifest accepts."""
    source: str
    pages: str | None = None
    """Where it was read that its native libraries can be mapped in pages of 16 KB; None: it has none."""


NEEDS = {
    "org.pytorch:executorch-android": Needs(
        androidx=True,
        min_sdk=26,
        source="pytorch/executorch: extension/android/executorch_android/build.gradle has `implementation "
        "libs.core.ktx` (androidx.core:core-ktx:1.13.1, extension/android/gradle/libs.versions.toml); "
        "scripts/build_android_library.sh builds libexecutorch.so with ANDROID_PLATFORM=android-26",
        pages="the libexecutorch.so of npm's react-native-executorch 0.8.5, aligned to 0x4000",
    ),
    "com.microsoft.onnxruntime:onnxruntime-android": Needs(
        androidx=False,
        min_sdk=24,
        source="AndroidManifest.xml of the AAR 1.29.0: minSdkVersion 24",
        pages="the AAR 1.29.0: every library aligned to 0x4000",
    ),
    "com.google.ai.edge.litert:litert": Needs(
        androidx=False,
        min_sdk=21,
        source="https://ai.google.dev/edge/litert/android, 1.4.2: API 21; google-ai-edge/LiteRT tflite/java/BUILD: its "
        "Java needs tensorflowlite_api and checkerframework's annotations, and brings rules for R8",
        pages="google-ai-edge/LiteRT issue 4286: a maintainer's readelf of 1.4.0 shows 0x4000",
    ),
    "com.google.ai.edge.litert:litert-api": Needs(
        androidx=False,
        min_sdk=21,
        source="google-ai-edge/LiteRT tflite/java/BUILD: aar_without_jni, with checkerframework's annotations alone",
    ),
    "junit:junit": Needs(androidx=False, min_sdk=1, source="tests on the JVM only"),
    "com.vaadin.external.google:android-json": Needs(
        androidx=False, min_sdk=1, source="tests on the JVM only; on the phone org.json is Android's own"
    ),
}

#: https://gradle.org/release-checksums; both are quoted alike by projects that pin them, and the second by the build
#: history of Gradle's own container images.
WRAPPER_JAR = "2db75c40782f5e8ba1fc278a5574bab070adccb2d21ca5a6e5ed840888448046"
DISTRIBUTION = "31c55713e40233a8303827ceb42ca48a47267a0ad4bab9177123121e71524c26"


def _properties(name: str) -> dict[str, str]:
    lines = (ANDROID / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _declared() -> dict[str, Needs]:
    catalog = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text())["libraries"]
    return {entry["module"]: NEEDS[entry["module"]] for entry in catalog.values()}


def test_androidx_is_enabled_since_a_dependency_brings_it() -> None:
    assert any(one.androidx for one in _declared().values())
    assert _properties("gradle.properties")["android.useAndroidX"] == "true"


def test_the_app_is_not_offered_to_phones_that_a_runtime_does_not_support() -> None:
    build = (ANDROID / "app/build.gradle.kts").read_text()
    (oldest,) = re.findall(r"^ *minSdk = (\d+)", build, re.MULTILINE)
    assert int(oldest) == max(one.min_sdk for one in _declared().values())


def test_the_libraries_fit_pages_of_16_kb() -> None:
    native = {module for module, needs in _declared().items() if needs.pages}
    assert {module.split(":")[1] for module in native} == {
        "executorch-android",
        "onnxruntime-android",
        "litert",
    }


def test_every_target_that_the_demo_is_said_to_run_has_its_engine_and_is_mapped_not_unpacked() -> None:
    engines = (ANDROID / "app/src/main/kotlin/org/ferdeploy/demo/Engines.kt").read_text()
    build = (ANDROID / "app/build.gradle.kts").read_text()
    said = {name for name in target_names() if Runner.ANDROID_DEMO in runners_of(name)}
    assert set(re.findall(r'^ *"(\w+)" to \{', engines, re.MULTILINE)) == said
    assert set(_APPS["android"].targets) == said
    (stored,) = re.findall(r"noCompress \+= listOf\((.*)\)", build)
    assert set(re.findall(r'"(\w+)"', stored)) == {Path(target_class(name).file).suffix[1:] for name in said}


def test_both_halves_of_litert_are_of_one_version() -> None:
    catalog = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text())["libraries"]
    assert {catalog[name]["version"]["ref"] for name in ("litert", "litert-api")} == {"litert"}
    build = (ANDROID / "app/build.gradle.kts").read_text()
    assert {"libs.litert", "libs.litert.api"} <= set(re.findall(r"implementation\((libs[\w.]+)\)", build))


def test_the_gradle_wrapper_is_the_published_one() -> None:
    jar = (ANDROID / "gradle/wrapper/gradle-wrapper.jar").read_bytes()
    assert hashlib.sha256(jar).hexdigest() == WRAPPER_JAR
    properties = _properties("gradle/wrapper/gradle-wrapper.properties")
    assert properties["distributionUrl"].endswith("/gradle-8.10.2-bin.zip")
    assert properties["distributionSha256Sum"] == DISTRIBUTION
    assert (ANDROID / "gradlew").stat().st_mode & 0o111
    assert (ANDROID / "gradlew.bat").read_bytes().count(b"\r\n") > 50
