"""Why XNNPACK's partitioner leaves an operator out: it says so, to a logger only."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: For operators that the partitioner does not even consider.
NO_KERNEL = "the delegate's partitioner knows no such operator"
#: Where the partitioner's configurations log (executorch 1.5.1, ``exir/backend/utils.py``, WhyNoPartition).
_LOGGERS = (
    "executorch.backends.xnnpack.partition.config.gemm_configs",
    "executorch.backends.xnnpack.partition.config.generic_node_configs",
    "executorch.backends.xnnpack.partition.config.xnnpack_config",
)


def spelled(operator: str) -> str:
    """Return an operator's name in one spelling: the graph writes aten.mean.dim, the debugger aten_mean_dim."""
    return re.sub(r"[^a-z0-9]+", "_", operator.lower()).strip("_")


class _Collector(logging.Handler):
    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(logging.DEBUG)
        self._reasons = reasons

    def emit(self, record: logging.LogRecord) -> None:
        why: Any = record.msg
        node, reason = getattr(why, "node", None), getattr(why, "reason", None)
        if node is not None and reason:
            name = getattr(node.target, "__name__", str(node.target))
            self._reasons[spelled(name)] = " ".join(str(reason).split())


@contextmanager
def partition_reasons(reasons: dict[str, str]) -> Iterator[None]:
    """Fill ``reasons``, operator (as :func:`spelled`) to the partitioner's words, while the block runs."""
    collector = _Collector(reasons)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(collector)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(collector)
            logger.setLevel(level)
            logger.propagate = propagate
