"""Copies an ELF64 library without its symbol versions: bionic's LIBC is no version that glibc's loader knows.

python3 strip_versions.py FROM TO
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_PT_DYNAMIC = 2
#: DT_VERSYM, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM
_VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}
#: A tag in the range for operating systems that no loader knows, and so skips.
_IGNORED = 0x6000000D


def without_versions(library: bytes) -> bytes:
    """Return the library with the five tags of its dynamic section renamed."""
    if library[:5] != b"\x7fELF\x02":
        raise ValueError("no 64-bit ELF file")
    out = bytearray(library)
    (headers,) = struct.unpack_from("<Q", out, 32)
    size, count = struct.unpack_from("<HH", out, 54)
    for index in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", out, headers + index * size)
        if kind == _PT_DYNAMIC:
            for place in range(offset, offset + length, 16):
                if struct.unpack_from("<Q", out, place)[0] in _VERSIONS:
                    struct.pack_into("<Q", out, place, _IGNORED)
    return bytes(out)


if __name__ == "__main__":
    source, goal = map(Path, sys.argv[1:])
    goal.write_bytes(without_versions(source.read_bytes()))
