"""What a run may reuse of one before it: only what was complete, and made from the very same inputs.

Everything lies in ``<output>/<model>/.cache``: a file per artifact that vouches for its whole folder, and a file per
set of answers, of layers and of timings. Each is written as a whole or not at all, after what it vouches for. Timings
are kept only until the report is written: a later run measures anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import TypeAdapter

from fer_deploy.errors import ArtifactError
from fer_deploy.files import alone_in, sha256_of, write_atomic
from fer_deploy.frozen import Frozen, Unknown
from fer_deploy.measure.figures import LayerFigures, RuntimeFigures
from fer_deploy.measure.subject import Inference
from fer_deploy.targets.artifact import Artifact, open_artifact, tool_versions
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.registry import outside_address, target_class, target_names

FOLDER = ".cache"
_DELEGATION = TypeAdapter(Delegation)
#: What reading a file that is not what it should be raises.
_DAMAGED = (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile, ArtifactError)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Kind(Generic[Value]):
    """A kind of thing that is reused.

    Attributes:
        prefix: of its files' names.
        label: what the report calls one, with ``{}`` for its name.
        dump: its bytes.
        load: it again; raises one of many errors where the bytes, or what they vouch for, are damaged.
    """

    prefix: str
    label: str
    dump: Callable[[Value], bytes]
    load: Callable[[bytes], Value]


def _json_kind(prefix: str, label: str, type_: Any) -> Kind[Any]:
    adapter = TypeAdapter(type_)
    return Kind(prefix, label, adapter.dump_json, adapter.validate_json)


def _dump_answers(answers: Inference) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, logits=answers.logits, emulation=answers.emulation or "")
    return stream.getvalue()


def _load_answers(content: bytes) -> Inference:
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return Inference(kept["logits"], str(kept["emulation"]) or None)


class _Voucher(Frozen):
    """Stands for a complete artifact: the digest of its whole folder, and what lowering said of it."""

    folder_sha256: str
    delegation: dict[str, Any]


def artifact_in(folder: Path) -> Kind[tuple[Artifact, Delegation]]:
    """Return the kind of an artifact that lies in ``folder``: what is kept vouches for the folder as it is."""

    def dump(made: tuple[Artifact, Delegation]) -> bytes:
        told = _DELEGATION.dump_python(made[1], mode="json")
        return _Voucher(folder_sha256=sha256_of(folder), delegation=told).model_dump_json().encode()

    def load(content: bytes) -> tuple[Artifact, Delegation]:
        voucher = _Voucher.model_validate_json(content)
        if sha256_of(folder) != voucher.folder_sha256:
            raise ArtifactError(f"{folder} is not as it was left")
        return open_artifact(folder), _DELEGATION.validate_python(voucher.delegation)

    return Kind("artifact", "artifact {}", dump, load)


ANSWERS: Kind[Inference] = Kind("answers", "answers of {}", _dump_answers, _load_answers)
LAYERS: Kind[tuple[LayerFigures, ...]] = _json_kind("layers", "layers of {}", tuple[LayerFigures, ...])
TIMINGS: Kind[tuple[RuntimeFigures, ...]] = _json_kind(
    "timings", "timings on {}, of the run that was interrupted", tuple[RuntimeFigures, ...]
)


def digest(**inputs: Any) -> str:
    """Return the hex SHA-256 of ``inputs`` (JSON values), the versions of all tools, and this program's own code."""
    everything = {"versions": tool_versions(), "code": _code(), "outside": _outside_code(), **inputs}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    """Return a digest of this package's sources: a development version keeps its number while it changes."""
    own = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for path in sorted(package.rglob("*.py")):
        own.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return own.hexdigest()


def _outside_code() -> dict[str, str]:
    """Return digests of the modules of targets that are not of this package, which change as they like."""
    outside = (name for name in target_names() if outside_address(name) is not None)
    return {name: sha256_of(Path(inspect.getfile(target_class(name)))) for name in outside}


class Store:
    """What earlier runs left in a model's output folder, and what of it was reused.

    Attributes:
        reused: a line per thing reused, for the report.
    """

    def __init__(self, output: Path, fresh: bool = False) -> None:
        """Keep things in ``output``; with ``fresh`` reuse nothing of what is there."""
        self._folder = output / FOLDER
        self._fresh = fresh
        self.reused: list[str] = []

    def once(
        self,
        kind: Kind[Value],
        name: str,
        inputs: str,
        make: Callable[[], Value | Unknown],
        reuse: bool = True,
    ) -> Value | Unknown:
        """Return the thing of this kind and name that was made from ``inputs``, made now unless it was before.

        Args:
            kind: what it is.
            name: tells it from others of its kind.
            inputs: :func:`digest` of everything that it depends on.
            make: makes it; that it cannot be made is an :class:`Unknown`, which is not kept.
            reuse: whether an earlier one may stand for it; False where it depends on more than a digest can tell.
        """
        if reuse:
            # damaged is as good as not there
            with contextlib.suppress(*_DAMAGED):
                value = kind.load(self._content(kind, name, inputs))
                self.reused.append(kind.label.format(name))
                return value
        made = make()
        if not isinstance(made, Unknown):
            write_atomic(self._file(kind, name), inputs.encode() + b"\n" + kind.dump(made))
        return made

    def has(self, kind: Kind[Value], name: str, inputs: str, reuse: bool = True) -> bool:
        """Return whether :meth:`once`, given the same, finds the thing; whether it is whole, it sees."""
        if not reuse:
            return False
        with contextlib.suppress(*_DAMAGED):
            self._content(kind, name, inputs)
            return True
        return False

    def _content(self, kind: Kind[Any], name: str, inputs: str) -> bytes:
        """Return what is kept; raises one of ``_DAMAGED`` where that is nothing, or was made from other inputs."""
        if self._fresh:
            raise KeyError(name)
        made_from, _, content = self._file(kind, name).read_bytes().partition(b"\n")
        if made_from.decode() != inputs:
            raise KeyError(name)
        return content

    def _file(self, kind: Kind[Value], name: str) -> Path:
        return self._folder / f"{kind.prefix}-{name}"

    def finish(self) -> None:
        """Forget the timings: the report that needed them is written."""
        for path in self._folder.glob(f"{TIMINGS.prefix}-*"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def only_run(output: Path) -> Iterator[None]:
    """Hold a model's output folder for this run alone, and clear what killed runs left half done in it.

    Raises:
        OutputError: see :func:`fer_deploy.files.alone_in`.
    """
    with alone_in(output):
        for left in (*output.glob(".*.partial"), *output.glob(f"{FOLDER}/.*.partial")):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        yield
