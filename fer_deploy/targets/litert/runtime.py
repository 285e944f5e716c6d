"""LiteRT's interpreter on this machine: whether it is there, a session, and what its delegate takes."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, TargetError, first_line
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Delegation, Session

_PACKAGE = "ai_edge_litert"
#: What the file's identifier is (schema.fbs: ``file_identifier "TFL3"``), and where flatbuffers keep it.
IDENTIFIER = b"TFL3"
_DELEGATE = "DELEGATE"
#: Why an operator stays outside, as far as the interpreter says: it names the operators taken, and gives no reason.
_WHY = "XNNPACK has no kernel for it in this type or shape"


def obstacle() -> str | None:
    """Return what adds the interpreter and the file's schema where they are not installed, or None."""
    if importlib.util.find_spec(_PACKAGE) is not None:
        return None
    return "needs ai-edge-litert, which is not installed; add it: pip install 'fer-deploy[litert]'"


def interpreter(content: bytes, threads: int, where: Path) -> Any:
    """Return an interpreter with its tensors allocated and XNNPACK applied, as it does unless told otherwise.

    Raises:
        ArtifactError: the bytes are no LiteRT file, or LiteRT does not take it; ``where`` is named.
        TargetError: the interpreter is not installed.
    """
    if (missing := obstacle()) is not None:
        raise TargetError(missing)
    if content[4:8] != IDENTIFIER:
        raise ArtifactError(
            f"{where} is not a model that LiteRT can load: it is not marked {IDENTIFIER.decode()}"
        )
    with quiet():  # it says on stderr that it made its delegate
        from ai_edge_litert.interpreter import Interpreter

        try:
            opened = Interpreter(model_content=content, num_threads=threads)
            opened.allocate_tensors()
        except Exception as error:  # RuntimeError, ValueError and whatever pybind makes of it
            raise ArtifactError(f"{where} is not a model that LiteRT can load: {first_line(error)}") from None
    return opened


def read(file: Path) -> bytes:
    """Return a file's bytes; ArtifactError where there are none to read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{file} cannot be read: {error.strerror}") from None


class LiteRTSession(Session):
    """One file in the interpreter."""

    def __init__(self, file: Path, threads: int) -> None:
        """Open the file with so many threads; raises as :func:`interpreter`."""
        self._interpreter = interpreter(read(file), threads, file)
        (source,) = self._interpreter.get_input_details()
        (goal,) = self._interpreter.get_output_details()
        self._input, self._output = source["index"], goal["index"]

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (1, K) of one image."""
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        logits: NDArray[np.float32] = self._interpreter.get_tensor(self._output)  # a copy
        return logits


def delegation(file: Path) -> Delegation:
    """Return how many of a file's operators XNNPACK takes on this machine.

    Raises:
        ArtifactError, TargetError: as :func:`interpreter`.
    """
    return _delegation(interpreter(read(file), 1, file)._get_ops_details())  # no public call says it


def _delegation(details: Sequence[dict[str, Any]]) -> Delegation:
    """Return the delegation that an interpreter's list of operators shows: the delegates stand behind all others.

    An operator is inside a delegate when it is met on the way back from the delegate's outputs to its inputs.
    """
    operators = [one for one in details if one["op_name"] != _DELEGATE]
    makers = {int(output): one for one in operators for output in one["outputs"]}
    taken: set[int] = set()
    delegates = [one for one in details if one["op_name"] == _DELEGATE]
    for delegate in delegates:
        inputs = {int(index) for index in delegate["inputs"]}
        wanted = [int(index) for index in delegate["outputs"]]
        while wanted:
            index = wanted.pop()
            maker = makers.get(index)
            if index in inputs or maker is None or maker["index"] in taken:
                continue
            taken.add(maker["index"])
            wanted += [int(source) for source in maker["inputs"]]
    outside = Counter(one["op_name"] for one in operators if one["index"] not in taken)
    return Delegation(
        backend="XNNPACK",
        delegated=len(taken),
        total=len(operators),
        delegates=len(delegates),
        not_delegated=dict(outside),
        why=dict.fromkeys(outside, _WHY),
    )
