"""Putting an artifact into a demo app: the demos read the folder that this writes and nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_deploy.errors import ConfigError, OutputError, TargetError
from fer_deploy.files import folder_atomic, read_toml
from fer_deploy.targets.artifact import GOLDEN_FILE, INFO_FILE, Artifact, open_artifact

#: ML Program specification versions of Core ML by the first iOS that reads them (coremltools, proto/Model.proto).
_SPECIFICATION_IOS = {6: 15, 7: 16, 8: 17, 9: 18}
#: The release of ONNX Runtime that is known to read what targets/onnx writes, and its newest IR version
#: (onnxruntime, docs/Versioning.md: ONNX 1.17 is what 1.20 was built with).
_ONNXRUNTIME, _ONNX_IR = "1.20", 10
#: The line of LiteRT that is known to run what targets/litert writes: docs/litert.md, "In the Android demo".
_LITERT = "1.4"
#: What the Android demo's version catalog calls the runtime of each target that it runs.
_ANDROID_RUNTIMES = {"onnx": "onnxruntime", "executorch": "executorch", "litert": "litert"}


@dataclass(frozen=True)
class _App:
    folder: str
    """The demo's folder in the repository."""
    assets: str
    """Where the artifact goes, inside the demo's folder."""
    targets: tuple[str, ...]
    check: Callable[[Path, Artifact], None]
    """Raises when the demo's runtimes are too old for the artifact."""


def bundle(app: str, artifact_folder: Path, demo: Path | None = None) -> Path:
    """Put the artifact in ``artifact_folder`` into a demo app, replacing the one that is there.

    Args:
        app: ``android`` or ``ios``.
        artifact_folder: what ``fer-deploy export`` wrote.
        demo: the demo's folder; by default ``android_demo`` or ``ios_demo`` in the working directory.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: there is no such app.
        ArtifactError: the artifact is damaged or contradicts itself.
        TargetError: the app does not run the artifact's target, or its runtime is too old for it.
        OutputError: ``demo`` is no such demo, or cannot be written.
    """
    kind = _APPS.get(app)
    if kind is None:
        raise ConfigError(f"there is no app '{app}'; the apps are {' and '.join(_APPS)}")
    demo = demo or Path(kind.folder)
    artifact = open_artifact(artifact_folder)
    if artifact.info.target not in kind.targets:
        raise TargetError(
            f"the {app} demo runs {_listed(kind.targets)} artifacts, and {artifact_folder} is for "
            f"{artifact.info.target}; export one of those"
        )
    kind.check(demo, artifact)
    goal = demo / kind.assets
    with folder_atomic(goal) as temporary:
        for name in (INFO_FILE, GOLDEN_FILE):
            shutil.copyfile(artifact_folder / name, temporary / name)
        if artifact.file.is_dir():
            shutil.copytree(artifact.file, temporary / artifact.info.file)
        else:
            shutil.copyfile(artifact.file, temporary / artifact.info.file)
    return goal


def _check_android(demo: Path, artifact: Artifact) -> None:
    catalog = demo / "gradle" / "libs.versions.toml"
    if not catalog.is_file():
        raise OutputError(
            f"{demo} is not the Android demo: it has no {catalog.relative_to(demo)}; name it with --demo"
        )
    versions: dict[str, Any] = read_toml(catalog, OutputError, "version catalog").get("versions", {})
    package = _ANDROID_RUNTIMES[artifact.info.target]
    runtime = versions.get(package)
    if not isinstance(runtime, str):
        raise OutputError(f"{catalog} names no version of {package} under [versions]")
    needed = _needed_runtime(artifact)
    if _release(runtime) < _release(needed):
        raise TargetError(
            f"{artifact.file} needs {package} {needed} or later, and the demo has {runtime}; raise it in {catalog}"
        )


def _needed_runtime(artifact: Artifact) -> str:
    if artifact.info.target == "executorch":
        # A program is read by the runtime of its own release and by later ones, not by earlier ones.
        return artifact.info.versions["executorch"]
    if artifact.info.target == "litert":
        return _LITERT
    return _onnxruntime_for(artifact.file)


def _onnxruntime_for(file: Path) -> str:
    """Return the ONNX Runtime release from which on a model as this fer-deploy writes it can be read."""
    import onnx

    from fer_deploy.targets.onnx.target import OPSET

    model = onnx.load(str(file))
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > OPSET or model.ir_version > _ONNX_IR:
        raise TargetError(
            f"{file} is of opset {opset} and IR version {model.ir_version}; that ONNX Runtime on phones reads it is "
            f"known up to opset {OPSET} and IR version {_ONNX_IR} only; export it again with this fer-deploy"
        )
    return _ONNXRUNTIME


def _check_ios(demo: Path, artifact: Artifact) -> None:
    project = demo / "FerDemo.xcodeproj" / "project.pbxproj"
    try:
        text = project.read_text(encoding="utf-8")
    except OSError:
        raise OutputError(
            f"{demo} is not the iOS demo: it has no {project.relative_to(demo)}; name it with --demo"
        ) from None
    found = re.findall(r"IPHONEOS_DEPLOYMENT_TARGET = ([0-9.]+);", text)
    if not found:
        raise OutputError(f"{project} names no IPHONEOS_DEPLOYMENT_TARGET")
    specification, tensors = _described(artifact.file)
    if not {"pixels", "logits"} <= tensors:
        raise TargetError(
            f"{artifact.file} has {', '.join(sorted(tensors))}, and the ios demo gives an array 'pixels' and reads "
            "'logits'; export it without image input"
        )
    needed = _SPECIFICATION_IOS.get(specification)
    if needed is None:
        raise TargetError(
            f"{artifact.file} has Core ML specification version {specification}; known are "
            f"{', '.join(map(str, _SPECIFICATION_IOS))}"
        )
    oldest = min(found, key=_release)
    if _release(oldest) < (needed,):
        raise TargetError(
            f"{artifact.file} needs iOS {needed}, and the demo runs from iOS {oldest} on; raise "
            f"IPHONEOS_DEPLOYMENT_TARGET in {project}"
        )


def _described(package: Path) -> tuple[int, set[str]]:
    """Return a package's specification version and the names of its array inputs and outputs."""
    # Not coremltools' load_spec: opening a package, it rewrites the manifest, and the digest is no longer right.
    from fer_deploy.targets.coreml.interpreter.package import read_package

    spec = read_package(package).spec
    features = (*spec.description.input, *spec.description.output)
    return int(spec.specificationVersion), {
        feature.name for feature in features if feature.type.WhichOneof("Type") == "multiArrayType"
    }


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _release(version: str) -> tuple[int, ...]:
    """Return a version's leading numbers, to compare by: ``1.20.1rc2`` gives (1, 20, 1)."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    if numbers is None:
        raise OutputError(f"'{version}' is not a version")
    return tuple(int(part) for part in numbers[0].split("."))


_APPS = {
    "android": _App("android_demo", "app/src/main/assets/artifact", tuple(_ANDROID_RUNTIMES), _check_android),
    "ios": _App("ios_demo", "Artifact/bundled", ("coreml",), _check_ios),
}
