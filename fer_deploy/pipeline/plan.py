"""``fer-deploy check --plan``: the budget, the model's classes and, if there is one, a report in; the plan out."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.errors import ConfigError
from fer_deploy.gate.budget import Budget
from fer_deploy.gate.plan import PowerPlan, power_plan
from fer_deploy.model.names import model_name
from fer_deploy.model.origin import read_model_files
from fer_deploy.pipeline.check import REPORT_FILE
from fer_deploy.pipeline.config import Config
from fer_deploy.report.schema import Report, load_report


def plan_budget(path: Path | None, config: Config | None, budget: Budget, chance: float) -> PowerPlan:
    """Return how many test images the budget needs.

    Args:
        path: a report that shows how many answers change; None for the configuration's, if there is one by now.
        config: what is to be run; None needs a report.
        budget: the limits.
        chance: to pass, a fraction.

    Raises:
        ConfigError: there is nothing to plan, or the number of classes is not known.
        ArtifactError: the report cannot be read.
        ModelError, ContractError: there is no report, and the configured model's files are missing or malformed.
    """
    report = _report(path, config)
    if report is not None:
        return power_plan(budget, chance, len(report.model.contract.labels), report)
    if config is None:
        raise ConfigError(
            "a plan needs the number of classes: name a report, or a configuration with --config"
        )
    files = read_model_files(config.model.path, config.model.contract, config.model.weights)
    return power_plan(budget, chance, len(files.contract.labels))


def _report(path: Path | None, config: Config | None) -> Report | None:
    if path is not None:
        return load_report(path)
    if config is None:
        return None
    own = config.export.output / model_name(config.model.path, config.model.name) / REPORT_FILE
    return load_report(own) if own.is_file() else None
