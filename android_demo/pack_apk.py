"""Puts code, assets and native libraries into an APK, aligned as `zipalign -P 16 4` does.

    python3 pack_apk.py BASE.apk OUT.apk --dex FOLDER --assets FOLDER --native FOLDER --abis arm64-v8a

Debian's zipalign knows only pages of 4 KB; phones with pages of 16 KB map a library from the APK only where it begins
at a multiple of 16 KB. The padding is the field that apksigner reads (0xD935), so that signing keeps the alignment.
"""

from __future__ import annotations

import argparse
import struct
import zipfile
from pathlib import Path

PAGE, WORD = 16384, 4
_FIELD, _LOCAL_HEADER = 0xD935, 30


def alignment(name: str, compressed: bool) -> int:
    """Return what the content's offset must be a multiple of: nothing is asked of what is compressed."""
    return 1 if compressed else PAGE if name.endswith(".so") else WORD


def padding(offset: int, to: int) -> bytes:
    """Return an extra field of that alignment which ends at a multiple of ``to`` when it begins at ``offset``."""
    head = 6  # identifier, size, alignment
    zeros = -(offset + head) % to
    return struct.pack("<HHH", _FIELD, 2 + zeros, to) + bytes(zeros)


def add(apk: zipfile.ZipFile, name: str, content: bytes, compressed: bool) -> None:
    """Write one entry at the end of ``apk``, aligned; its date is fixed, so that equal input gives an equal APK."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    to = alignment(name, compressed)
    if to > 1:
        assert apk.fp is not None
        entry.extra = padding(apk.fp.tell() + _LOCAL_HEADER + len(name.encode()), to)
    apk.writestr(entry, content)


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    for name in ("dex", "assets", "native"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--abis", nargs="+", required=True)
    given = parser.parse_args()
    assets = [path for path in sorted(given.assets.rglob("*")) if path.is_file()]
    with zipfile.ZipFile(given.base) as base, zipfile.ZipFile(given.out, "w") as apk:
        for entry in base.infolist():
            add(apk, entry.filename, base.read(entry), entry.compress_type != zipfile.ZIP_STORED)
        for path in sorted(given.dex.glob("*.dex")):
            add(apk, path.name, path.read_bytes(), compressed=True)
        for path in assets:
            add(
                apk, f"assets/{path.relative_to(given.assets).as_posix()}", path.read_bytes(), compressed=True
            )
        for abi in given.abis:
            libraries = sorted((given.native / abi).glob("*.so"))
            if not libraries:
                parser.error(f"{given.native} has no libraries for {abi}")
            # Stored, so that Android maps them from the APK without unpacking them.
            for path in libraries:
                add(apk, f"lib/{abi}/{path.name}", path.read_bytes(), compressed=False)


if __name__ == "__main__":
    main()
