"""ExecuTorch's Python runtime: imported without the compiler, and one program of it as a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, first_line
from fer_deploy.partial_import import without_package
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Session


def runtime() -> Any:
    """Return ``executorch.runtime.Runtime``'s one instance; its native library is loaded by then.

    Without the compiler, ``executorch.exir``: the runtime's bindings take one class of warnings from there (executorch
    1.5.1, ``extension/pybindings/portable_lib.py``), and with it ``torch.export``, inductor and torchao: two thirds of
    the time that loading a runtime takes.
    """
    with quiet(), without_package("executorch.exir"):
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
