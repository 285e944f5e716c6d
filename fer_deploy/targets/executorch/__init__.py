"""ExecuTorch with the XNNPACK delegate: one ``model.pte``."""

from fer_deploy.targets.executorch.delegates import ExecuTorchOptions
from fer_deploy.targets.executorch.target import ExecuTorchTarget

__all__ = ["ExecuTorchOptions", "ExecuTorchTarget"]
