"""Candidates that an earlier search trained, as its ``search.json`` has them, for a search that goes on from there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fer_deploy.errors import ConfigError
from fer_deploy.experiments.search_cost import CandidateCost
from fer_deploy.experiments.search_report import SearchReport, SearchRow
from fer_deploy.experiments.search_schema import OPTIONS, Candidate, Option, SearchSpec, option_text
from fer_deploy.experiments.search_storage import portable
from fer_deploy.experiments.search_trials import FinishedTrial, ProxyResult
from fer_deploy.frozen import first_problem


def known_trials(path: Path, spec: SearchSpec) -> list[FinishedTrial]:
    """Return what an earlier search trained in full, in the order in which it did, if this one can go on from it.

    Candidates outside of this search's space or limits are passed over.

    Raises:
        ConfigError: the file is no ``search.json``, or its trainings, base or estimate are not this search's.
    """
    try:
        report = SearchReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"search result {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(f"search result {path} is not valid: {first_problem(error)}") from None
    _require_same_training(path, report, spec)
    # one wall time is known for all of them together
    seconds = report.hours * 3600 / len(report.rows)
    found = []
    for row in sorted(report.whole, key=lambda one: one.order):
        candidate, cost = _candidate(row, spec), _cost(path, row, spec)
        if candidate is not None and not any(over > 0 for over in cost.excess(spec).values()):
            result = ProxyResult(accuracy=row.accuracy, seconds=seconds)
            found.append(FinishedTrial(row.order, candidate, cost, result))
    return found


def _require_same_training(path: Path, report: SearchReport, spec: SearchSpec) -> None:
    try:
        before = _conditions(tomllib.loads(report.spec))
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        raise ConfigError(f"search result {path} does not say how its candidates were trained") from None
    if before != _conditions(spec.model_dump(mode="json", exclude_none=True)):
        raise ConfigError(
            f"search result {path} has candidates of another [train], seed, base or [estimate], and figures of two "
            "trainings cannot be ranked together"
        )


def _conditions(table: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what two searches have in common whose figures may stand in one table."""
    return portable(dict(table))["train"], table["seed"], table["space"]["base"], table.get("estimate")


def _candidate(row: SearchRow, spec: SearchSpec) -> Candidate | None:
    """Return the point of the space that a row is of, or None; an option that the row lacks was the base's own."""
    values: dict[Option, Any] = {}
    for option in OPTIONS:
        named = {option_text(value): value for value in spec.space.values(option)}
        text = row.options.get(option, option_text(None))
        if text not in named:
            return None
        values[option] = named[text]
    return spec.space.candidate(values)


def _cost(path: Path, row: SearchRow, spec: SearchSpec) -> CandidateCost:
    if (spec.estimate is not None and row.estimate is None) or (
        spec.limits.latency_ms is not None and row.latency is None
    ):
        raise ConfigError(f"search result {path} has no latency of {row.label}, which this search goes by")
    asked = row.estimate if spec.estimate is not None else None
    return CandidateCost(parameters=row.parameters, macs=row.macs, latency=row.latency, estimate=asked)
