"""What can be chosen about an ExecuTorch program beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fer_deploy.errors import ConfigError
from fer_deploy.targets.executorch.delegates import DELEGATES, Delegate
from fer_deploy.targets.options import Flag, TargetOptions


@dataclass(frozen=True)
class ExecuTorchOptions(TargetOptions):
    """How graphs become programs.

    Attributes:
        delegate: takes the graph; what it leaves out runs on ExecuTorch's portable kernels.
    """

    flags: ClassVar[tuple[Flag, ...]] = (
        Flag("--delegate", "xnnpack or coreml, of the executorch target.", metavar="NAME"),
    )
    in_export: ClassVar[bool] = True

    delegate: Delegate = "xnnpack"

    def __post_init__(self) -> None:
        if self.delegate not in DELEGATES:
            raise ConfigError(f"unknown ExecuTorch delegate '{self.delegate}'; known: {', '.join(DELEGATES)}")
