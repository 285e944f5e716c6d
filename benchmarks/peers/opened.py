"""A file opened in its runtime, and what it takes and gives: some LiteRT files take and give integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.targets.base import Session
from fer_deploy.targets.registry import get_target


@dataclass(frozen=True)
class Grid:
    """A tensor's integers: value = scale x (integer - zero)."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Opened:
    """A session of one thread.

    Attributes:
        session: of the file; it is given what :meth:`prepared` returns.
        source: grid of the input where the file takes int8, else None.
        goal: grid of the logits where the file gives int8, else None.
    """

    session: Session
    source: Grid | None = None
    goal: Grid | None = None

    def prepared(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Return images as the file takes them."""
        if self.source is None:
            return images
        steps = np.round(images / np.float32(self.source.scale)) + self.source.zero
        return np.clip(steps, -128, 127).astype(np.int8)

    def answers(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of every image, one at a time, as an app gets them."""
        given = self.prepared(images)
        found = np.concatenate([self.session.run(np.ascontiguousarray(one[None])) for one in given])
        if self.goal is None:
            return found
        return ((found.astype(np.float32) - self.goal.zero) * self.goal.scale).astype(np.float32)


def open_file(target: str, file: Path) -> Opened:
    """Open a file with fer-deploy's session of its runtime; raises what the runtime does."""
    session = get_target(target).open(file, 1)
    if target != "litert":
        return Opened(session)
    from fer_deploy.targets.litert.runtime import interpreter

    opened = interpreter(file.read_bytes(), 1, file)
    (source,), (goal,) = opened.get_input_details(), opened.get_output_details()
    return Opened(session, _grid(source), _grid(goal))


def bare_bytes(file: Path) -> int:
    """Return a file's bytes without what runs nothing: of ONNX, doc strings, metadata and shapes of inner values.

    ``torch.onnx.export`` notes a stack trace, with the paths of source files, at each operation.
    """
    if file.suffix != ".onnx":
        return file.stat().st_size
    import onnx

    model = onnx.load(file)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    del graph.value_info[:]
    return len(model.SerializeToString())


def _grid(tensor: dict[str, Any]) -> Grid | None:
    return Grid(*tensor["quantization"]) if tensor["dtype"] is np.int8 else None
