"""Reading ``weight.bin``: Core ML's blob storage, version 2.

Layout (MILBlob/Blob/StorageFormat.hpp in coremltools): a 64-byte header ``uint32 count, uint32 version``;
then, each aligned to 64 bytes, pairs of a 64-byte entry ``uint32 sentinel, uint32 type, uint64 bytes,
uint64 offset, uint64 padding_bits`` and its data. Everything is little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError

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
