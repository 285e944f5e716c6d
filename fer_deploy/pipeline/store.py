"""What a run may take over from one before it: only what was complete, and made from the very same inputs.

Everything lies in ``<output>/<model>/.cache``: a file per artifact that names the inputs it was made from and the
digest of its whole folder, and a file per set of answers. Each is written as a whole or not at all, after what it
vouches for. Timings are kept only until the report is written: a later run measures anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fer_deploy.contract import Frozen
from fer_deploy.errors import ArtifactError, OutputError
from fer_deploy.files import sha256_of, write_atomic
from fer_deploy.measure.figures import LayerFigures, RuntimeFigures
from fer_deploy.measure.inference import Inference
from fer_deploy.targets.artifact import Artifact, open_artifact, tool_versions
from fer_deploy.targets.base import Delegation

FOLDER = ".cache"
_LOCK = ".lock"
_DELEGATION = TypeAdapter(Delegation)
_TIMINGS = TypeAdapter(tuple[RuntimeFigures, ...])
_LAYERS: TypeAdapter[tuple[LayerFigures, ...] | str] = TypeAdapter(tuple[LayerFigures, ...] | str)


_Kept = TypeVar("_Kept")


class _Entry(Frozen):
    """A complete artifact: what it was made from, and the digest of its folder."""

    inputs: str
    folder_sha256: str
    delegation: dict[str, Any]


def digest(**inputs: Any) -> str:
    """Return the hex SHA-256 of ``inputs`` (JSON values), the versions of all tools, and this program's own code."""
    everything = {"versions": tool_versions(), "code": _code(), **inputs}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    """Return a digest of this package's sources: a development version keeps its number while it changes."""
    own = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for path in sorted(package.rglob("*.py")):
        own.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return own.hexdigest()


class Store:
    """What earlier runs left in a model's output folder, and what was taken over from it.

    Attributes:
        reused: a line per thing taken over, for the report.
    """

    def __init__(self, output: Path, fresh: bool = False) -> None:
        self._folder = output / FOLDER
        self._fresh = fresh
        self.reused: list[str] = []

    def artifact(self, folder: Path, inputs: str) -> tuple[Artifact, Delegation] | None:
        """Return the artifact in ``folder`` when it is whole and was made from ``inputs``."""
        entry = self._read(f"artifact-{folder.name}.json")
        if entry is None:
            return None
        try:
            known = _Entry.model_validate_json(entry)
            if known.inputs != inputs or not folder.is_dir() or sha256_of(folder) != known.folder_sha256:
                return None
            artifact, delegation = open_artifact(folder), _DELEGATION.validate_python(known.delegation)
        except (ValidationError, ArtifactError, OSError):
            return None
        self.reused.append(f"artifact {artifact.key}")
        return artifact, delegation

    def keep_artifact(self, artifact: Artifact, delegation: Delegation, inputs: str) -> None:
        """Remember a complete artifact."""
        entry = _Entry(
            inputs=inputs,
            folder_sha256=sha256_of(artifact.folder),
            delegation=_DELEGATION.dump_python(delegation, mode="json"),
        )
        write_atomic(self._folder / f"artifact-{artifact.folder.name}.json", entry.model_dump_json())

    def answers(self, name: str, inputs: str) -> Inference | None:
        """Return the logits kept under ``name`` when they were computed from ``inputs``."""
        raw = self._read(f"answers-{name}.npz")
        if raw is None:
            return None
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as kept:
                if str(kept["inputs"]) != inputs:
                    return None
                emulation = str(kept["emulation"])
                answers = Inference(kept["logits"], emulation or None)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self.reused.append(f"answers of {name}")
        return answers

    def keep_answers(self, name: str, answers: Inference, inputs: str) -> None:
        """Remember logits."""
        stream = io.BytesIO()
        np.savez(stream, logits=answers.logits, inputs=inputs, emulation=answers.emulation or "")
        write_atomic(self._folder / f"answers-{name}.npz", stream.getvalue())

    def layers(self, name: str, inputs: str) -> tuple[LayerFigures, ...] | str | None:
        """Return the layers kept under ``name``, or why there were none, when they were compared on ``inputs``."""
        found = self._figures(f"layers-{name}.json", inputs, _LAYERS)
        if found is not None:
            self.reused.append(f"layers of {name}")
        return found

    def keep_layers(self, name: str, layers: tuple[LayerFigures, ...] | str, inputs: str) -> None:
        """Remember a comparison of layers."""
        self._keep_figures(f"layers-{name}.json", layers, inputs, _LAYERS)

    def timings(self, device: str, inputs: str) -> tuple[RuntimeFigures, ...] | None:
        """Return the timings that an interrupted run took of the same files on the same device."""
        figures = self._figures(f"timings-{device}.json", inputs, _TIMINGS)
        if figures is not None:
            self.reused.append(f"timings on {device}, taken by the run that was interrupted")
        return figures

    def keep_timings(self, device: str, figures: tuple[RuntimeFigures, ...], inputs: str) -> None:
        """Remember timings until :meth:`finish`."""
        self._keep_figures(f"timings-{device}.json", figures, inputs, _TIMINGS)

    def finish(self) -> None:
        """Forget the timings: the report that needed them is written."""
        for path in self._folder.glob("timings-*.json"):
            path.unlink(missing_ok=True)

    def _figures(self, name: str, inputs: str, kind: TypeAdapter[_Kept]) -> _Kept | None:
        raw = self._read(name)
        if raw is None:
            return None
        try:
            document = json.loads(raw)
            return kind.validate_python(document["figures"]) if document["inputs"] == inputs else None
        except (ValueError, KeyError, TypeError):
            return None

    def _keep_figures(self, name: str, figures: _Kept, inputs: str, kind: TypeAdapter[_Kept]) -> None:
        document = {"inputs": inputs, "figures": kind.dump_python(figures, mode="json")}
        write_atomic(self._folder / name, json.dumps(document))

    def _read(self, name: str) -> bytes | None:
        if self._fresh:
            return None
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None


@contextlib.contextmanager
def only_run(output: Path) -> Iterator[None]:
    """Hold a model's output folder for this run alone, and clear what killed runs left half done in it.

    Raises:
        OutputError: another run holds it, or it cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        stream = (output / _LOCK).open("w", encoding="ascii")
    except OSError as error:
        raise OutputError(f"output folder {output} cannot be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                f"another run is writing to {output}; wait for it or choose another --output"
            ) from None
        for left in (*output.glob(".*.partial"), *output.glob(f"{FOLDER}/.*.partial")):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        yield
