"""Reading a saved ``.mlpackage`` folder: manifest, model specification, weights file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArtifactError
from fer_deploy.quiet import quiet

MANIFEST = "Manifest.json"


@dataclass(frozen=True)
class Package:
    """A package as it lies on disk.

    Attributes:
        path: the ``.mlpackage`` folder.
        spec: the parsed ``Model`` protobuf (coremltools' Model.proto).
        model_folder: the folder of the model file; ``@model_path`` in the specification means it.
    """

    path: Path
    spec: Any
    model_folder: Path


def read_package(path: Path) -> Package:
    """Return the package in the folder ``path``; the weights file is opened by those who need weights.

    Raises:
        ArtifactError: no package there, a damaged manifest or specification, or no ML Program inside.
    """
    model = _model_file(path)
    with quiet():
        from coremltools.proto import Model_pb2
        from google.protobuf.message import DecodeError

    spec = Model_pb2.Model()
    try:
        spec.ParseFromString(model.read_bytes())
    except (DecodeError, OSError) as error:
        raise ArtifactError(f"{model} is not a Core ML model specification: {error}") from None
    if spec.WhichOneof("Type") != "mlProgram":
        kind = spec.WhichOneof("Type") or "no model at all"
        raise ArtifactError(
            f"{path} holds {kind}, expected an ML Program; export it for iOS 15 or later as one"
        )
    return Package(path, spec, model.parent)


def _model_file(path: Path) -> Path:
    manifest = path / MANIFEST
    try:
        document = json.loads(manifest.read_text(encoding="utf-8"))
        entry = document["itemInfoEntries"][document["rootModelIdentifier"]]
        relative = str(entry["path"])
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{path} is not a Core ML package: it has no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{manifest} is not a package manifest: {error!r}") from None
    model = path / "Data" / relative
    if not model.resolve().is_relative_to(path.resolve()) or not model.is_file():
        raise ArtifactError(f"{manifest} names the model {relative}, which is not in the package")
    return model
