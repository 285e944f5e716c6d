"""Every exception that fer-deploy raises on purpose, each with the exit code the command line ends with.

Exit codes (documented in the README): 0 done, 1 a bug in fer-deploy, 2 bad input or usage,
3 a budget was exceeded, 4 a required figure could not be measured, 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import re

#: Escapes by which terminals are told of colours; torch's ONNX exporter puts them into its messages.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class FerDeployError(Exception):
    """Base of all expected failures.

    The message is one sentence: what was wrong, where, and what to do about it.
    """

    exit_code: int = 2


class ArgumentError(FerDeployError, TypeError):
    """A Python caller gave an argument of a wrong type, or one that there is none of."""


class ContractError(FerDeployError):
    """A contract TOML is missing, malformed or contradicts itself."""


class ModelError(FerDeployError):
    """A model cannot be loaded, or contradicts its contract."""


class WeightsError(ModelError):
    """A factory was given no weights and draws its own at random."""


class DataError(FerDeployError):
    """A dataset or an image is missing, malformed or unusable for what was asked."""


class ConfigError(FerDeployError):
    """``fer-deploy.toml`` or a command-line value is unknown, missing or out of range."""


class DeviceError(FerDeployError):
    """A device profile or transport is unknown, invalid or unreachable."""


class QuantizationError(FerDeployError):
    """A graph cannot be quantized as the recipe asks."""


class ProofError(FerDeployError):
    """A step on the way to an artifact changed the network by more than its contract allows."""


class LossError(ProofError):
    """Quantization leaves less of the network than its floor.

    Attributes:
        costs: dB by which the noise grows at each layer, worst first.
        figures: what was measured, for people.
    """

    def __init__(self, message: str, costs: dict[str, float], figures: str) -> None:
        super().__init__(message)
        self.costs, self.figures = costs, figures


class TargetError(FerDeployError):
    """A target is unknown, or a graph cannot be lowered to it."""


class ArtifactError(FerDeployError):
    """An artifact folder is missing, truncated or does not match its own ``artifact.json``."""


class OutputError(FerDeployError):
    """An output path cannot be written."""


class TrainingError(FerDeployError):
    """Training cannot start, resume or go on."""


class BudgetExceededError(FerDeployError):
    """A measured figure is over its budget."""

    exit_code = 3


class NotMeasuredError(FerDeployError):
    """A figure that was required could not be measured."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """Return the first line of another library's error, cut at 300 characters, or its class name when it has none."""
    lines = _COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def root_cause(error: BaseException) -> str:
    """Return the first line of another library's error and, where it only says which part failed, that of its cause."""
    lines = [first_line(error)]
    seen = error
    while (below := seen.__cause__ or seen.__context__) is not None:
        seen = below
    if seen is not error and first_line(seen) not in lines[0]:
        lines.append(first_line(seen))
    return ": ".join(lines)
