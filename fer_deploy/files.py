"""File writing that never leaves half a file: everything is written beside its goal, then renamed, by one at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArgumentError, FerDeployError, OutputError

_LOCK = ".lock"


def as_path(value: object, what: str) -> Path:
    """Return the path that a Python caller gave, as text or as one.

    Raises:
        ArgumentError: it is neither; ``what`` names the argument.
    """
    if isinstance(value, str | os.PathLike) and isinstance(text := os.fspath(value), str):
        return Path(text)
    raise ArgumentError(f"{what} is a path, got {type(value).__name__}")


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the whole new one.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    raw = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace_together({path: raw})
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another output folder") from error


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (name to content) into ``folder``, whose other content stays, in the order given.

    All of them are complete under temporary names before the first one takes its own, so that a full disk or a stop
    leaves the old ones. The renames follow one another: readers that need the files to belong together compare digests.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_together({folder / name: data for name, data in files.items()})
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror}; choose another output folder"
        ) from error


def _replace_together(files: Mapping[Path, bytes]) -> None:
    """Write every file under a temporary name beside it, then give each its own; OSError leaves no temporary."""
    temporaries: list[tuple[Path, Path]] = []
    try:
        for path, data in files.items():
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
            temporaries.append((Path(name), path))
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        for temporary, path in temporaries:
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        for temporary, _ in temporaries:
            temporary.unlink(missing_ok=True)


def write_json_atomic(path: Path, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON with :func:`write_atomic`; NaN and infinity are refused."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def folder_atomic(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces ``path`` when the block ends without an exception.

    A folder that was at ``path`` stays whole until the new one is complete.

    Raises:
        OutputError: the parent folder cannot be created or written, or ``path`` is a file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise OutputError(f"cannot write folder {path}: a file is there; choose another output folder")
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another output folder") from error
    try:
        yield temporary
        _take_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, path: Path) -> None:
    try:
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"))
            try:
                path.replace(old)
            except OSError:  # the working directory by the name ".", a mount point
                old.rmdir()
                raise
            try:
                temporary.replace(path)
            except BaseException:  # Ctrl-C too: the old folder is all there is
                if not path.exists():
                    old.replace(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot replace {path}: {error.strerror}; choose another output folder") from error


def copy_folder(source: Path, goal: Path, mark: str) -> None:
    """Copy a folder to ``goal``, in place of what is there if that is empty or holds a file called ``mark``.

    Raises:
        OutputError: something else is there, or it cannot be written.
    """
    if goal.resolve() == source.resolve():
        return
    if goal.is_dir() and any(goal.iterdir()) and not (goal / mark).is_file():
        raise OutputError(f"cannot write folder {goal}: it holds other files; choose another output folder")
    with folder_atomic(goal) as temporary:
        try:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
        except OSError as error:  # shutil's own collects several
            raise OutputError(f"cannot copy {source} to {goal}: {error.strerror or error.args[0]}") from error


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made if it is missing, for this process alone; the system lets go of it even after a kill.

    Raises:
        OutputError: another process holds it, or it cannot be written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("w", encoding="ascii")
    except OSError as error:
        raise OutputError(
            f"folder {folder} cannot be written: {error.strerror}; choose another output folder"
        ) from error
    import fcntl  # not on Windows, where commands that only read still start

    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another run is writing to {folder}; wait for it or choose another output folder"
            ) from None
        except OSError as error:
            raise OutputError(
                f"folder {folder} cannot be locked: {error.strerror}; choose an output folder on a local disk"
            ) from error
        yield


def require_writable_folder(path: Path) -> None:
    """Create ``path`` if it is missing and check that a file can be made in it, before hours go into its content.

    Raises:
        OutputError: it cannot be created or written, or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(
            f"output folder {path} cannot be written: {error.strerror}; choose another with --output"
        ) from error


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file, or of a folder's files with their relative names in sorted order."""
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(bytes.fromhex(sha256_of(file)))
        return digest.hexdigest()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Return the size in bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size


def read_toml(path: Path, error: type[FerDeployError], what: str) -> dict[str, Any]:
    """Return the parsed TOML file at ``path``, or raise ``error`` with one sentence naming ``what`` it is."""
    try:
        # editors on Windows begin UTF-8 with a mark that TOML knows nothing of
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise error(f"{what} {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{what} {path} cannot be read: {problem}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{what} {path} is not valid TOML: {problem}") from problem
