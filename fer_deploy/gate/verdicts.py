"""Verdicts: what the gate says of a report, as it is stored in ``check.json`` and shown by every view."""

from __future__ import annotations

import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from fer_deploy.errors import ArtifactError, BudgetExceededError, NotMeasuredError
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.measure.measurement import Measurement
from fer_deploy.showing import ShownAsHtml

INTEGRITY = "integrity"
SLOWDOWN = "slowdown"
COUNTS = "counts"
CALIBRATION = "calibration"
RECOMPUTED = "answers run again"
#: Verdicts that no waiver excuses: without them no other verdict is about the files at hand, or about people.
NEVER_WAIVED = (INTEGRITY, COUNTS, RECOMPUTED, CALIBRATION)
#: What is judged whatever the budget says.
ALWAYS_JUDGED = (
    *NEVER_WAIVED,
    "test set",
    "better than guessing",
    "artifact",
    "device",
    "reference",
    SLOWDOWN,
)


class Outcome(StrEnum):
    """What a verdict comes to."""

    PASS = "pass"
    FAIL = "fail"
    NOT_MEASURED = "not measured"


class Waived(Frozen):
    """The waiver that excuses a verdict."""

    until: datetime.date
    reason: str


class Verdict(Frozen):
    """One figure of one subject against one limit."""

    figure: str
    subject: str = Field(description="artifact, pair of artifacts, or 'float model'")
    device: str | None = None
    outcome: Outcome
    limit: str | None = Field(default=None, description="e.g. 'at most 0.5 points'")
    value: Measurement | None = None
    message: str
    waived: Waived | None = None

    @property
    def counts(self) -> bool:
        """False when a waiver excuses it."""
        return self.waived is None

    @property
    def name(self) -> str:
        """Figure, subject and device in one line."""
        return f"{self.figure} of {self.subject}" + (f" on {self.device}" if self.device else "")


class Change(Frozen):
    """A figure that differs from the reference's beyond noise."""

    figure: str
    subject: str
    device: str | None = None
    kind: Literal["regression", "improvement"]
    before: Measurement
    after: Measurement
    explained_by: tuple[str, ...] = Field(
        default=(), description="what else differs between the runs and may be the cause; empty: unexplained"
    )

    @property
    def message(self) -> str:
        """What may explain it, in words."""
        if self.explained_by:
            return f"also changed: {'; '.join(self.explained_by)}"
        return "unexplained: model, data, file and tools are the same"


class BudgetAccount(Frozen):
    """What became of one line of the budget."""

    line: str = Field(description="as it reads in the file")
    figures: int = Field(ge=0, description="figures that it is about")
    holds: int = Field(ge=0, description="figures that it was held against; nearer lines hold for the others")


class Check(ShownAsHtml, Frozen):
    """All verdicts on one report. ``report_sha256`` ties them to it."""

    schema_version: Literal["1.0"] = "1.0"
    created: str = Field(description="ISO 8601, UTC")
    report: str = Field(description="path of the report")
    report_sha256: str
    model: str
    reference: str | None = Field(default=None, description="path of the reference that it was compared with")
    verdicts: tuple[Verdict, ...]
    budget: tuple[BudgetAccount, ...] = Field(default=(), description="every line of the budget")
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="e.g. waivers that have ended or excuse nothing")

    @property
    def outcome(self) -> Outcome:
        """Fail if any verdict that counts fails; else not measured if any is; else pass, if there is one."""
        found = {one.outcome for one in self.verdicts if one.counts}
        if Outcome.FAIL in found:
            return Outcome.FAIL
        if Outcome.NOT_MEASURED in found or not self.verdicts:
            return Outcome.NOT_MEASURED
        return Outcome.PASS

    @property
    def exit_code(self) -> int:
        """0 pass, 3 fail, 4 not measured."""
        codes = {
            Outcome.PASS: 0,
            Outcome.FAIL: BudgetExceededError.exit_code,
            Outcome.NOT_MEASURED: NotMeasuredError.exit_code,
        }
        return codes[self.outcome]

    def of(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """Return the verdicts of one outcome that no waiver excuses."""
        return tuple(one for one in self.verdicts if one.counts and one.outcome is outcome)

    @property
    def waived(self) -> tuple[Verdict, ...]:
        """The verdicts that a waiver excuses."""
        return tuple(one for one in self.verdicts if not one.counts)

    @property
    def summary(self) -> str:
        """One line: the outcome and how many verdicts of each kind there are."""
        counts = [f"{len(self.of(outcome))} {outcome}" for outcome in Outcome]
        if self.waived:
            counts.append(f"{len(self.waived)} waived")
        return f"{str(self.outcome).upper()}: {', '.join(counts)}"


def load_check(path: Path) -> Check:
    """Return the verdicts in a JSON file.

    Raises:
        ArtifactError: the file is missing or holds something else.
    """
    try:
        return Check.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"verdicts {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ArtifactError(f"{path} holds no verdicts: {first_problem(error)}") from None
