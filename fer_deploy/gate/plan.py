"""How many test images a budget needs, limit by limit, reckoned before any run."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.errors import ConfigError
from fer_deploy.frozen import Frozen
from fer_deploy.gate.budget import Budget
from fer_deploy.gate.limits import ACCURACY_DROP, LIMITS
from fer_deploy.report.schema import Report

#: Shares of changed answers that a plan is made for, where no report shows one: from a careful quantization, of which
#: one answer in two hundred changes, to a rough one.
CHANGED = (0.005, 0.01, 0.02, 0.05)


class PlannedLimit(Frozen):
    """What one line of the budget needs."""

    line: str
    counts: str = Field(description="what is counted: 'test images' or 'images of each class'")
    images: tuple[int | None, ...] = Field(
        description="for each share of changed answers; None: no number of images does"
    )


class PowerPlan(Frozen):
    """How many test images each line of a budget needs to pass an artifact that is as good as the float model."""

    chance: float = Field(description="of passing, a fraction")
    classes: int
    changed: tuple[float, ...] = Field(description="shares of the answers that change, fractions")
    seen: float | None = Field(description="the last of them, where a report shows it")
    there_are: dict[str, int] = Field(
        description="what a report has of that which is counted; empty without one"
    )
    limits: tuple[PlannedLimit, ...]
    not_planned: tuple[str, ...] = Field(description="lines that are not about numbers of images alone")


def power_plan(budget: Budget, chance: float, classes: int, report: Report | None = None) -> PowerPlan:
    """Return the plan for a budget.

    Args:
        budget: its lines are planned one by one.
        chance: to pass, a fraction.
        classes: of the model's contract.
        report: shows how many answers change, and how many images there are; None before any run.

    Raises:
        ConfigError: no line of the budget is about numbers of images.
    """
    lines = [line for line in budget.lines() if line.value is not None]
    planned = [line for line in lines if LIMITS[line.key].planned is not None]
    if not planned:
        raise ConfigError(
            "there is nothing to plan: no limit of the budget is about numbers of test images; set one such as "
            f"{ACCURACY_DROP.option} 0.5"
        )
    seen = _seen(report)
    changed = CHANGED if seen is None else (*CHANGED, seen)
    limits = []
    for line in planned:
        kind = LIMITS[line.key]
        assert kind.planned is not None
        assert line.value is not None
        goal = kind.goal(line.value)
        images = tuple(kind.planned(goal, share, classes, chance) for share in changed)
        limits.append(PlannedLimit(line=line.name, counts=_counted(kind.per_class), images=images))
    there_are = (
        {}
        if report is None
        else {
            _counted(False): report.dataset.images,
            _counted(True): min(report.dataset.per_class.values(), default=0),
        }
    )
    return PowerPlan(
        chance=chance,
        classes=classes,
        changed=changed,
        seen=seen,
        there_are=there_are,
        limits=tuple(limits),
        not_planned=tuple(line.name for line in lines if line not in planned),
    )


def _counted(per_class: bool) -> str:
    return "images of each class" if per_class else "test images"


def _seen(report: Report | None) -> float | None:
    """Return the largest share of answers that an artifact of the report changes, or None without one."""
    agreements = [one.parity.agreement.value for one in report.artifacts] if report is not None else []
    known = [1 - value for value in agreements if value is not None]
    return max(known) if known else None
