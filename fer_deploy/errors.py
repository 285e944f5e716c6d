"""Every exception that fer-deploy raises on purpose, each with the exit code the command line ends with.

Exit codes (documented in the README): 0 done, 1 a bug in fer-deploy, 2 bad input or usage,
3 a budget was exceeded, 4 a required figure could not be measured.
"""

from __future__ import annotations


class FerDeployError(Exception):
    """Base of all expected failures.

    The message is one sentence: what was wrong, where, and what to do about it.
    """

    exit_code: int = 2


class ContractError(FerDeployError):
    """A contract TOML is missing, malformed or contradicts itself."""


class ModelError(FerDeployError):
    """A model cannot be loaded, or contradicts its contract."""


class DataError(FerDeployError):
    """A dataset or an image is missing, malformed or unusable for what was asked."""


class ConfigError(FerDeployError):
    """``fer-deploy.toml`` or a command-line value is unknown, missing or out of range."""


class DeviceError(FerDeployError):
    """A device profile or transport is unknown, invalid or unreachable."""


class QuantizationError(FerDeployError):
    """A graph cannot be quantized as the recipe asks."""


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
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
