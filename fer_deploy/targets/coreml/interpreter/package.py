"""Reading a saved ``.mlpackage`` folder: manifest, model specification, weights file.

The weights file, ``weight.bin``, is Core ML's blob storage, version 2. Layout (MILBlob/Blob/StorageFormat.hpp in
coremltools): a 64-byte header ``uint32 count, uint32 version``; then, each aligned to 64 bytes, pairs of a 64-byte
entry ``uint32 sentinel, uint32 type, uint64 bytes, uint64 offset, uint64 padding_bits`` and its data. Everything is
little-endian.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError
from fer_deploy.quiet import quiet
from fer_deploy.targets.coreml.tools import messages

_SENTINEL = 0xDEADBEEF
_VERSION = 2
_ENTRY = struct.Struct("<IIQQQ")
_HEADER = struct.Struct("<II")

#: MIL data type name to the numpy type that holds it on disk; sub-byte types are listed in BITS.
STORAGE: dict[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype("?"),
    "FLOAT16": np.dtype("<f2"),
    "FLOAT32": np.dtype("<f4"),
    "FLOAT64": np.dtype("<f8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
}
#: Bits of the types that are packed, least significant bit first.
BITS = {"INT4": 4, "UINT4": 4, "UINT6": 6, "UINT3": 3, "UINT2": 2, "UINT1": 1}


class BlobFile:
    """A weights file, checked as a whole when it is opened."""

    def __init__(self, path: Path) -> None:
        """Read ``path``.

        Raises:
            ArtifactError: the file is missing, truncated or not blob storage.
        """
        self._path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"weights {path} cannot be read: {error.strerror}") from None
        if len(self._data) < 64:
            raise self._damaged("it is shorter than its header")
        _, version = _HEADER.unpack_from(self._data)
        if version != _VERSION:
            raise self._damaged(f"its storage version is {version}, expected {_VERSION}")

    def bytes_at(self, offset: int) -> bytes:
        """Return the data of the entry at ``offset``.

        Raises:
            ArtifactError: there is no entry, or its data is cut off.
        """
        if offset + _ENTRY.size > len(self._data):
            raise self._damaged(f"it ends before the entry at byte {offset}; it is truncated")
        sentinel, _, size, start, _ = _ENTRY.unpack_from(self._data, offset)
        if sentinel != _SENTINEL:
            raise self._damaged(f"there is no entry at byte {offset}")
        if start + size > len(self._data):
            raise self._damaged(
                f"it has {len(self._data)} bytes where {start + size} are needed; it is truncated"
            )
        return self._data[start : start + size]

    def _damaged(self, why: str) -> ArtifactError:
        return ArtifactError(f"weights {self._path} are damaged: {why}")


def decode(raw: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Return ``raw`` as an array of ``shape``; packed integers are widened to int8 or uint8.

    Raises:
        ArtifactError: an unknown type, or fewer bytes than the shape needs.
    """
    count = int(np.prod(shape, dtype=np.int64))
    if dtype in BITS:
        bits = BITS[dtype]
        flags = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        if len(flags) < count * bits:
            raise ArtifactError(f"a constant of {count} {dtype} values has {len(raw)} bytes only")
        weights = (1 << np.arange(bits, dtype=np.uint8)).astype(np.uint8)
        values = (flags[: count * bits].reshape(count, bits) * weights).sum(axis=1).astype(np.int16)
        if dtype == "INT4":
            values = np.where(values > 7, values - 16, values)
        widened: NDArray[np.generic] = values.astype(np.int8 if dtype == "INT4" else np.uint8)
        return widened.reshape(shape)
    if dtype not in STORAGE:
        raise ArtifactError(f"constants of type {dtype} cannot be read")
    storage = STORAGE[dtype]
    if len(raw) < count * storage.itemsize:
        raise ArtifactError(
            f"a constant of {count} {dtype} values needs {count * storage.itemsize} bytes, has {len(raw)}"
        )
    return np.frombuffer(raw, storage, count).reshape(shape).copy()


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
        from google.protobuf.message import DecodeError
    _, Model_pb2 = messages()

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
