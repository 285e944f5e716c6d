"""``android_demo/pack_apk.py``: what is stored in an APK begins where phones with 16 KB pages can map it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

from apps.conftest import REPOSITORY

PACK = REPOSITORY / "android_demo" / "pack_apk.py"


def content_offset(apk: Path, entry: zipfile.ZipInfo) -> int:
    """Return where an entry's content begins, from its local header: the directory's extra field may differ."""
    with apk.open("rb") as file:
        file.seek(entry.header_offset)
        header = file.read(30)
    assert header[:4] == b"PK\x03\x04"
    name, extra = struct.unpack_from("<HH", header, 26)
    return entry.header_offset + 30 + int(name) + int(extra)


def assert_aligned(apk: Path, libraries: int) -> None:
    """Check what ``zipalign -c -P 16 4`` checks."""
    with zipfile.ZipFile(apk) as content:
        stored = [entry for entry in content.infolist() if entry.compress_type == zipfile.ZIP_STORED]
        found = [entry for entry in content.infolist() if entry.filename.endswith(".so")]
    assert len(found) == libraries
    for entry in found:
        assert entry in stored, f"{entry.filename} is compressed: Android would have to unpack it"
        assert content_offset(apk, entry) % 16384 == 0, entry.filename
    for entry in stored:
        assert content_offset(apk, entry) % 4 == 0, entry.filename


def _pack(tmp_path: Path, *abis: str) -> subprocess.CompletedProcess[str]:
    for folder in ("dex", "assets/artifact", "native/arm64-v8a", "native/x86_64", "native/x86"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dex/classes.dex").write_bytes(b"dex" * 99)
    (tmp_path / "assets/artifact/model.onnx").write_bytes(b"model")
    for abi, size in (("arm64-v8a", 20_001), ("x86_64", 7)):
        for name in ("liba.so", "libbb.so"):
            (tmp_path / "native" / abi / name).write_bytes(bytes(size))
    with zipfile.ZipFile(tmp_path / "base.apk", "w") as base:
        base.writestr("AndroidManifest.xml", b"manifest" * 9, zipfile.ZIP_DEFLATED)
        base.writestr("resources.arsc", b"r" * 13, zipfile.ZIP_STORED)
        base.writestr("res/icon.xml", b"i" * 3, zipfile.ZIP_STORED)
    folders = [word for name in ("dex", "assets", "native") for word in (f"--{name}", str(tmp_path / name))]
    command = [sys.executable, str(PACK), str(tmp_path / "base.apk"), str(tmp_path / "out.apk"), *folders]
    return subprocess.run([*command, "--abis", *abis], capture_output=True, text=True, check=False)


def test_what_is_stored_is_aligned_and_all_is_there(tmp_path: Path) -> None:
    done = _pack(tmp_path, "arm64-v8a", "x86_64")
    assert done.returncode == 0, done.stderr
    assert_aligned(tmp_path / "out.apk", libraries=4)
    with zipfile.ZipFile(tmp_path / "out.apk") as apk:
        assert apk.testzip() is None
        assert apk.read("assets/artifact/model.onnx") == b"model"
        assert apk.read("resources.arsc") == b"r" * 13
        assert len(apk.namelist()) == 9


def test_a_processor_without_libraries_is_refused(tmp_path: Path) -> None:
    done = _pack(tmp_path, "x86")
    assert done.returncode == 2
    assert "has no libraries for x86" in done.stderr
