"""Backends that an ExecuTorch program can hand its graph to: the option, and why one leaves operators out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from fer_deploy.errors import ConfigError
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.options import Flag, TargetOptions

#: Accelerator configurations as Vela calls them (``--accelerator-config``, ethos-u-vela 5.2.0).
EthosU = Literal[
    "ethos-u55-32",
    "ethos-u55-64",
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-128",
    "ethos-u85-256",
    "ethos-u85-512",
    "ethos-u85-1024",
    "ethos-u85-2048",
]
Delegate = Literal["xnnpack", "coreml", EthosU]
DELEGATES: tuple[Delegate, ...] = ("xnnpack", "coreml", *get_args(EthosU))
#: Name in reports, by delegate; an Ethos-U's is made of its configuration's.
BACKENDS: dict[str, str] = {
    "xnnpack": "XNNPACK",
    "coreml": "Core ML",
    **{name: f"E{name[1:]}".replace("-u", "-U") for name in get_args(EthosU)},
}
#: What a program that holds a Core ML delegate says in its bytes.
COREML_ID = b"CoreMLBackend"


def partitioner(delegate: Delegate, graph: Graph) -> Any:
    """Return the executorch partitioner of ``delegate``.

    Core ML lowers on Linux too; it computes in fp32 for ``float`` and in fp16 otherwise, for iOS 17 and later.
    """
    if delegate == "xnnpack":
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

        return XnnpackPartitioner()
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    specs = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=(
            ct.precision.FLOAT32 if graph.recipe.precision == "float" else ct.precision.FLOAT16
        ),
    )
    return CoreMLPartitioner(compile_specs=specs)


@dataclass(frozen=True)
class ExecuTorchOptions(TargetOptions):
    """How graphs become programs.

    Attributes:
        delegate: takes the graph; what it leaves out runs on ExecuTorch's portable kernels. An Ethos-U takes quantized
            graphs only.
    """

    flags: ClassVar[tuple[Flag, ...]] = (
        Flag(
            "--delegate",
            "xnnpack, coreml, or an Ethos-U such as ethos-u55-128, of the executorch target.",
            metavar="NAME",
        ),
    )
    in_export: ClassVar[bool] = True

    delegate: Delegate = "xnnpack"

    def __post_init__(self) -> None:
        if self.delegate not in DELEGATES:
            raise ConfigError(f"unknown ExecuTorch delegate '{self.delegate}'; known: {', '.join(DELEGATES)}")


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
