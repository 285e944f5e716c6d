"""ExecuTorch's Python runtime: imported without the compiler, and one program of it as a session."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, first_line
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Session

_COMPILER = "executorch.exir"


@contextmanager
def without_the_compiler() -> Iterator[None]:
    """Let ``executorch.exir._warnings`` be imported, while the block runs, without the compiler that it lies in.

    The runtime's bindings take one class of warnings from there (executorch 1.5.1,
    ``extension/pybindings/portable_lib.py``), and with it ``torch.export``, inductor and torchao: two thirds of the
    time that loading a runtime takes. Where the compiler is loaded already, nothing is done; where it is imported
    later, it is imported whole.
    """
    spec = None if _COMPILER in sys.modules else importlib.util.find_spec(_COMPILER)
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    stand_in = ModuleType(_COMPILER)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            for name in [name for name in sys.modules if name.split(".")[:2] == _COMPILER.split(".")]:
                del sys.modules[name]


def runtime() -> Any:
    """Return ``executorch.runtime.Runtime``'s one instance; its native library is loaded by then."""
    with quiet(), without_the_compiler():
        from executorch.runtime import Runtime

        return Runtime.get()


class ExecuTorchSession(Session):
    """One program's ``forward``, float32 pixels (1, C, H, W) in, float32 logits (1, K) out."""

    def __init__(self, file: Path, threads: int) -> None:
        """Load a program; the thread pool is the whole process's.

        Raises:
            ArtifactError: ExecuTorch cannot load the file.
        """
        import torch

        loaded = runtime()
        with quiet():
            from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

            _unsafe_reset_threadpool(threads)
            try:
                # The program is kept: its method points into the program's memory.
                self._program = loaded.load_program(file.read_bytes())
                self._method = self._program.load_method("forward")
            except (RuntimeError, OSError) as error:
                raise ArtifactError(
                    f"{file} is not a program that ExecuTorch can load: {first_line(error)}"
                ) from None
        self._torch = torch

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of one image."""
        outputs = self._method.execute([self._torch.from_numpy(pixels)])
        # copy: the runtime's output memory is reused by the next call
        logits: NDArray[np.float32] = outputs[0].numpy().copy()
        return logits
