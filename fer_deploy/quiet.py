"""Silence for libraries that talk on stderr about things no user of ours can act on.

Only inside the calls that need it, and never lost: when the call fails, what was said goes to the
``fer_deploy`` logger at DEBUG.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_LOGGERS = ("coremltools", "torch", "torchao", "torch.onnx", "onnxscript", "onnx_ir", "executorch", "root")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence loggers, Python warnings and the stderr file descriptor while the block runs.

    Known talk: torchao about CUDA extensions it cannot load, coremltools about macOS bindings and
    untested torch versions, tqdm bars, ExecuTorch's cpuinfo about virtual machines.
    """
    sys.stderr.flush()
    loggers = [logging.getLogger(None if name == "root" else name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            saved = os.dup(2)
        except OSError:  # stderr is closed: nothing to silence
            yield
            return
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except Exception:
            _restore(saved)
            saved = -1
            # before logging: a root logger at ERROR would swallow the message
            _set_levels(loggers, levels)
            sink.seek(0)
            logging.getLogger("fer_deploy").debug("%s", sink.read().decode(errors="replace"))
            raise
        finally:
            if saved >= 0:
                _restore(saved)
            _set_levels(loggers, levels)


def _set_levels(loggers: list[logging.Logger], levels: list[int]) -> None:
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def _restore(saved: int) -> None:
    sys.stderr.flush()
    os.dup2(saved, 2)
    os.close(saved)
