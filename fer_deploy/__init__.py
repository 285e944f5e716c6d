"""fer-deploy: quantize, export, profile and gate small FER networks for iPhone and Android.

The public names below are imported when they are first used, so that ``import fer_deploy`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_deploy.contract import Contract
    from fer_deploy.errors import FerDeployError
    from fer_deploy.gate.limits import Budget
    from fer_deploy.gate.verdicts import Check
    from fer_deploy.measure.latency import runtime_figures
    from fer_deploy.measure.measurement import Measurement
    from fer_deploy.model import Model, load_model
    from fer_deploy.pipeline.check import check_report
    from fer_deploy.pipeline.config import Config, load_config
    from fer_deploy.pipeline.run import Run, run
    from fer_deploy.quantize.ptq import float_graph, quantize_ptq
    from fer_deploy.report.schema import Report, load_report
    from fer_deploy.targets.artifact import Artifact, open_artifact, write_artifact

__all__ = [
    "Artifact",
    "Budget",
    "Check",
    "Config",
    "Contract",
    "FerDeployError",
    "Measurement",
    "Model",
    "Report",
    "Run",
    "check_report",
    "float_graph",
    "load_config",
    "load_model",
    "load_report",
    "open_artifact",
    "quantize_ptq",
    "run",
    "runtime_figures",
    "write_artifact",
]

_HOMES = {
    "Artifact": "fer_deploy.targets.artifact",
    "Budget": "fer_deploy.gate.limits",
    "Check": "fer_deploy.gate.verdicts",
    "Config": "fer_deploy.pipeline.config",
    "Contract": "fer_deploy.contract",
    "FerDeployError": "fer_deploy.errors",
    "Measurement": "fer_deploy.measure.measurement",
    "Model": "fer_deploy.model",
    "Report": "fer_deploy.report.schema",
    "Run": "fer_deploy.pipeline.run",
    "check_report": "fer_deploy.pipeline.check",
    "float_graph": "fer_deploy.quantize.ptq",
    "load_config": "fer_deploy.pipeline.config",
    "load_model": "fer_deploy.model",
    "load_report": "fer_deploy.report.schema",
    "open_artifact": "fer_deploy.targets.artifact",
    "quantize_ptq": "fer_deploy.quantize.ptq",
    "run": "fer_deploy.pipeline.run",
    "runtime_figures": "fer_deploy.measure.latency",
    "write_artifact": "fer_deploy.targets.artifact",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fer-deploy")
    if name not in _HOMES:
        raise AttributeError(f"module 'fer_deploy' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
