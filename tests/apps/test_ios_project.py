"""What the Xcode project promises, read from its files: no Mac is needed, and none has opened it."""

from __future__ import annotations

import json
import plistlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from apps.conftest import REPOSITORY
from fer_deploy.targets.bundle import _APPS

IOS = REPOSITORY / "ios_demo"
PROJECT = IOS / "FerDemo.xcodeproj"
_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\]|\\.)*"|[{}()=;,]|[^\s{}()=;,"]+', re.DOTALL)


def _property_list(text: str) -> Any:
    """Parse the old kind of property list, which pbxproj files are."""
    tokens = [token for token in _TOKEN.findall(text) if not token.startswith(("/*", "//"))]
    tokens.reverse()

    def value() -> Any:
        token = tokens.pop()
        if token == "{":
            members = {}
            while tokens[-1] != "}":
                key = tokens.pop().strip('"')
                assert tokens.pop() == "=", key
                assert key not in members, f"{key} is there twice"
                members[key] = value()
                assert tokens.pop() == ";", key
            tokens.pop()
            return members
        if token == "(":
            items = []
            while tokens[-1] != ")":
                items.append(value())
                if tokens[-1] == ",":
                    tokens.pop()
            tokens.pop()
            return items
        assert token not in set("})=;,"), token
        return token.strip('"')

    parsed = value()
    assert not tokens, tokens[-1]
    return parsed


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    objects: dict[str, dict[str, Any]] = _property_list((PROJECT / "project.pbxproj").read_text())["objects"]
    return objects


def _settings(objects: dict[str, dict[str, Any]], of: str) -> dict[str, dict[str, str]]:
    """Return the build settings of the project or the target by the configuration's name."""
    (owner,) = [one for one in objects.values() if one["isa"] == of]
    names = objects[owner["buildConfigurationList"]]["buildConfigurations"]
    return {objects[name]["name"]: objects[name]["buildSettings"] for name in names}


def _xcconfig(file: Path) -> dict[str, str]:
    lines = [line.partition("//")[0].strip() for line in file.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#include")]
    return {name.strip(): text.strip() for name, _, text in pairs}


def test_every_reference_leads_to_an_object(objects: dict[str, dict[str, Any]]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set().union(*map(references, value.values()))
        if isinstance(value, list):
            return set().union(*map(references, value))
        return set(re.findall(r"^FE[0-9A-F]{22}$", value))

    document = _property_list((PROJECT / "project.pbxproj").read_text())
    assert references(document) == set(objects)
    assert document["rootObject"] in objects


def test_what_the_project_refers_to_is_in_a_clone(objects: dict[str, dict[str, Any]]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "ios_demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git clone")
    kinds = ("PBXFileReference", "PBXFileSystemSynchronizedRootGroup")
    paths = [
        one["path"] for one in objects.values() if one["isa"] in kinds and one["sourceTree"] == "<group>"
    ]
    assert {"App", "Artifact", "Config/App.xcconfig"} <= set(paths)
    for path in paths:
        place = f"ios_demo/{path}"
        assert any(file == place or file.startswith(place + "/") for file in tracked), path


def test_what_bundle_writes_is_what_is_copied_into_the_app(objects: dict[str, dict[str, Any]]) -> None:
    (folder,) = [one for one in objects.values() if one.get("lastKnownFileType") == "folder"]
    assert _APPS["ios"].assets.split("/")[0] == folder["path"]
    assert 'Bundle.main.url(forResource: "Artifact"' in (IOS / "App/Loading.swift").read_text()


def test_what_lies_in_the_artifact_folder_is_not_git_s_but_for_its_readme() -> None:
    def ignored(name: str) -> bool:
        command = ["git", "check-ignore", "--quiet", "--no-index", f"ios_demo/Artifact/{name}"]
        return subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0

    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git clone")
    assert all(map(ignored, ["artifact.json", "model.mlpackage/Manifest.json", "fer_s-fp16/golden.json"]))


def test_the_bundle_identifier_and_the_version_are_said_once(objects: dict[str, dict[str, Any]]) -> None:
    config = IOS / "Config/App.xcconfig"
    assert _xcconfig(config)["PRODUCT_BUNDLE_IDENTIFIER"] == "org.ferdeploy.demo"
    assert '#include? "Local.xcconfig"' in config.read_text(), "a person's own must come after ours"
    (target,) = [one for one in objects.values() if one["isa"] == "PBXNativeTarget"]
    for name in objects[target["buildConfigurationList"]]["buildConfigurations"]:
        assert objects[objects[name]["baseConfigurationReference"]]["path"] == "Config/App.xcconfig"
    everywhere = [one.get("buildSettings", {}) for one in objects.values()]
    assert not set(_xcconfig(config)) & set().union(*everywhere), (
        "a setting of the project goes before the file's"
    )
    info = plistlib.loads((IOS / "App/Info.plist").read_bytes())
    assert info["CFBundleShortVersionString"] == "$(MARKETING_VERSION)"
    assert info["CFBundleVersion"] == "$(CURRENT_PROJECT_VERSION)"
    sources = [*(IOS / "App").rglob("*.swift"), *(IOS / "Core/Sources").rglob("*.swift")]
    assert not [source for source in sources if "org.ferdeploy" in source.read_text()]


def test_a_release_has_symbols_and_only_a_debug_build_calls_itself_so(
    objects: dict[str, dict[str, Any]],
) -> None:
    settings = _settings(objects, "PBXProject")
    assert settings["Release"]["DEBUG_INFORMATION_FORMAT"] == "dwarf-with-dsym"
    # timing.json says which it was: Phone.swift asks for DEBUG
    assert "DEBUG" in settings["Debug"]["SWIFT_ACTIVE_COMPILATION_CONDITIONS"]
    assert "DEBUG" not in settings["Release"].get("SWIFT_ACTIVE_COMPILATION_CONDITIONS", "")
    assert "#if DEBUG" in (IOS / "App/Phone.swift").read_text()


def test_functions_of_no_actor_leave_the_main_one(objects: dict[str, dict[str, Any]]) -> None:
    # Loading.swift and BenchmarkRun.swift rely on it, and these settings of newer Xcodes change it
    settings = [*_settings(objects, "PBXProject").values(), *_settings(objects, "PBXNativeTarget").values()]
    changing = {"SWIFT_DEFAULT_ACTOR_ISOLATION", "SWIFT_APPROACHABLE_CONCURRENCY"}
    assert not [one for one in settings if changing & set(one)]
    assert {one["SWIFT_VERSION"] for one in settings if "SWIFT_VERSION" in one} == {"5.0"}
    for name in ("Loading.swift", "BenchmarkRun.swift"):
        assert "@MainActor" not in (IOS / "App" / name).read_text()


def test_the_scheme_is_shared_and_builds_the_target(objects: dict[str, dict[str, Any]]) -> None:
    scheme = ElementTree.parse(PROJECT / "xcshareddata/xcschemes/FerDemo.xcscheme").getroot()
    references = {one.attrib["BlueprintIdentifier"]: one.attrib for one in scheme.iter("BuildableReference")}
    (target,) = [key for key, one in objects.items() if one["isa"] == "PBXNativeTarget"]
    assert set(references) == {target, "FerDemoCoreTests"}
    assert references[target]["BlueprintName"] == objects[target]["name"] == "FerDemo"
    assert references[target]["ReferencedContainer"] == f"container:{PROJECT.name}"
    assert '.testTarget(name: "FerDemoCoreTests"' in (IOS / "Core/Package.swift").read_text()
    actions = {one.tag: one.get("buildConfiguration") for one in scheme}
    assert actions["ProfileAction"] == actions["ArchiveAction"] == "Release"


def test_icon_and_accent_colour_are_in_the_catalog(objects: dict[str, dict[str, Any]]) -> None:
    catalog = IOS / "App/Assets.xcassets"
    for settings in _settings(objects, "PBXNativeTarget").values():
        icons = catalog / (settings["ASSETCATALOG_COMPILER_APPICON_NAME"] + ".appiconset")
        colour = catalog / (settings["ASSETCATALOG_COMPILER_GLOBAL_ACCENT_COLOR_NAME"] + ".colorset")
        assert json.loads((colour / "Contents.json").read_text())["colors"]
        (image,) = json.loads((icons / "Contents.json").read_text())["images"]
        with Image.open(icons / image["filename"]) as icon:
            assert (icon.size, icon.mode, icon.format) == ((1024, 1024), "RGB", "PNG")


def test_the_icon_is_what_its_script_draws(tmp_path: Path) -> None:
    subprocess.run([sys.executable, IOS / "draw-icon.py", tmp_path / "icon.png"], check=True)
    drawn, committed = (
        np.asarray(Image.open(file).convert("RGB"), dtype=np.int16)
        for file in (tmp_path / "icon.png", IOS / "App/Assets.xcassets/AppIcon.appiconset/icon.png")
    )
    assert np.abs(drawn - committed).mean() < 0.5  # Pillow's releases draw edges a little differently


#: Apple's "required reason" interfaces by category, as far as an app like this one may come to use them.
_REASONED = {
    "SystemBootTime": r"systemUptime|mach_absolute_time",
    "FileTimestamp": r"creationDate|modificationDate|ModificationDate|attributesOfItem|\bf?l?stat\(|getattrlist",
    "DiskSpace": r"volumeAvailableCapacity|volumeTotalCapacity|systemFreeSize|systemSize|statv?fs",
    "UserDefaults": r"UserDefaults|AppStorage",
    "ActiveKeyboards": r"activeInputModes",
}


def test_the_privacy_manifest_names_the_interfaces_that_want_a_reason_and_no_others() -> None:
    manifest = plistlib.loads((IOS / "App/PrivacyInfo.xcprivacy").read_bytes())
    sources = [*(IOS / "App").rglob("*.swift"), *(IOS / "Core/Sources").rglob("*.swift")]
    text = "\n".join(source.read_text() for source in sources)
    used = {category for category, pattern in _REASONED.items() if re.search(pattern, text)}
    stated = {
        one["NSPrivacyAccessedAPIType"]: one["NSPrivacyAccessedAPITypeReasons"]
        for one in manifest["NSPrivacyAccessedAPITypes"]
    }
    assert set(stated) == {f"NSPrivacyAccessedAPICategory{category}" for category in used}
    assert stated["NSPrivacyAccessedAPICategorySystemBootTime"] == ["35F9.1"]
    assert manifest["NSPrivacyTracking"] is False
    assert manifest["NSPrivacyCollectedDataTypes"] == manifest["NSPrivacyTrackingDomains"] == []


def test_info_plist_alone_is_left_out_of_the_synchronized_folder(objects: dict[str, dict[str, Any]]) -> None:
    (exceptions,) = [one for one in objects.values() if one["isa"].endswith("BuildFileExceptionSet")]
    assert exceptions["membershipExceptions"] == ["Info.plist"]
    kinds = {file.suffix for file in (IOS / "App").iterdir()}
    assert kinds == {".swift", ".plist", ".xcprivacy", ".xcassets"}


def test_calls_that_raise_where_they_are_not_allowed_are_asked_for_first() -> None:
    """AVFoundation answers them with exceptions, which Swift cannot catch."""
    camera = (IOS / "App/Camera.swift").read_text()
    for question, call in {
        "session.canAddInput(": "session.addInput(",
        "session.canAddOutput(": "session.addOutput(",
        "session.canSetSessionPreset(": "session.sessionPreset =",
        "connection.isVideoRotationAngleSupported(": "connection.videoRotationAngle =",
        "connection.isVideoMirroringSupported": "connection.isVideoMirrored =",
        "output.availableVideoPixelFormatTypes.contains(": "output.videoSettings =",
    }.items():
        assert camera.count(call) == 1
        assert 0 <= camera.find(question) < camera.find(call), question
    others = [one for one in (IOS / "App").rglob("*.swift") if one.name != "Camera.swift"]
    assert not [one for one in others if "AVCaptureSession()" in one.read_text()]


def test_the_body_reads_what_the_canvas_draws() -> None:
    body = (IOS / "App/ScreenView.swift").read_text().partition("var body: some View {")[2]
    before, _, canvas = body.partition("Canvas {")
    assert "= demo.state\n" in before
    assert "= demo.picture\n" in before
    assert "demo." not in canvas.partition("\n        }\n")[0]


def test_swift_files_are_small() -> None:
    for file in IOS.rglob("*.swift"):
        assert len(file.read_text().splitlines()) < 300, file


@pytest.mark.parametrize(
    "said",
    [
        "no inference yet",
        "no frames yet",
        "%.1f frames/s, %.1f ms from a frame's arrival to its answer",
        "an expression is not an emotion",
        "Self-check passed",
        "Wrong answers on this device",
        "no numbers",
        "Options",
        "Open the settings",
    ],
)
def test_both_apps_say_the_same(said: str) -> None:
    kotlin = (REPOSITORY / "android_demo/core/src/main").rglob("*.kt")
    swift = [*(IOS / "App").rglob("*.swift"), *(IOS / "Core/Sources").rglob("*.swift")]
    for sources in (kotlin, swift):
        assert any(f'"{said}' in source.read_text() for source in sources)
