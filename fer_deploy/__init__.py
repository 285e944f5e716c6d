"""fer-deploy: quantize, export, profile and gate small FER networks for iPhone and Android.

The public names below are imported when they are first used, so that ``import fer_deploy`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fer_deploy.showing import shown_by

if TYPE_CHECKING:
    from fer_deploy.api import check, compare, export, predict, run
    from fer_deploy.contract import Contract
    from fer_deploy.data.faces import Faces
    from fer_deploy.errors import FerDeployError
    from fer_deploy.gate.budget import Budget
    from fer_deploy.gate.verdicts import Check
    from fer_deploy.measure.comparison import Comparison
    from fer_deploy.measure.latency import runtime_figures
    from fer_deploy.measure.measurement import Measurement
    from fer_deploy.model import Model, load_model
    from fer_deploy.pipeline.check import check_report
    from fer_deploy.pipeline.config import Config, load_config
    from fer_deploy.pipeline.run import Run
    from fer_deploy.quantize.ptq import float_graph, quantize_ptq
    from fer_deploy.report.schema import Report, load_report
    from fer_deploy.targets.artifact import Artifact, open_artifact, write_artifact
    from fer_deploy.targets.prediction import Prediction

__all__ = [
    "Artifact",
    "Budget",
    "Check",
    "Comparison",
    "Config",
    "Contract",
    "Faces",
    "FerDeployError",
    "Measurement",
    "Model",
    "Prediction",
    "Report",
    "Run",
    "check",
    "check_report",
    "compare",
    "export",
    "float_graph",
    "load_config",
    "load_model",
    "load_report",
    "open_artifact",
    "predict",
    "quantize_ptq",
    "run",
    "runtime_figures",
    "write_artifact",
]

_HOMES = {
    "Artifact": "fer_deploy.targets.artifact",
    "Budget": "fer_deploy.gate.budget",
    "Check": "fer_deploy.gate.verdicts",
    "Comparison": "fer_deploy.measure.comparison",
    "Config": "fer_deploy.pipeline.config",
    "Contract": "fer_deploy.contract",
    "Faces": "fer_deploy.data.faces",
    "FerDeployError": "fer_deploy.errors",
    "Measurement": "fer_deploy.measure.measurement",
    "Model": "fer_deploy.model",
    "Prediction": "fer_deploy.targets.prediction",
    "Report": "fer_deploy.report.schema",
    "Run": "fer_deploy.pipeline.run",
    "check": "fer_deploy.api",
    "check_report": "fer_deploy.pipeline.check",
    "compare": "fer_deploy.api",
    "export": "fer_deploy.api",
    "float_graph": "fer_deploy.quantize.ptq",
    "load_config": "fer_deploy.pipeline.config",
    "load_model": "fer_deploy.model",
    "load_report": "fer_deploy.report.schema",
    "open_artifact": "fer_deploy.targets.artifact",
    "predict": "fer_deploy.api",
    "quantize_ptq": "fer_deploy.quantize.ptq",
    "run": "fer_deploy.api",
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


def _text(value: object) -> str:
    from fer_deploy.views.short import text

    return text(value)


def _html(value: object) -> str | None:
    from fer_deploy.views.notebook import html

    return html(value)


shown_by(_text, _html)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
