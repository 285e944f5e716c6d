"""``fer-deploy check``: a report, the files beside it and the configuration's budget in; verdicts out."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path

from fer_deploy.devices.choice import ANY_PHONE, FAMILY_NAMES
from fer_deploy.devices.profile import DeviceProfile, load_profile
from fer_deploy.errors import ArtifactError, ConfigError, ContractError, DeviceError, ModelError
from fer_deploy.files import as_path, sha256_of
from fer_deploy.frozen import Unknown
from fer_deploy.gate.budget import Budget, Limits
from fer_deploy.gate.changes import against_reference, changes, comparable
from fer_deploy.gate.counts import contradictions, counts
from fer_deploy.gate.figures import Expected
from fer_deploy.gate.holding import accounts, held, idle_lines, shadowed_lines
from fer_deploy.gate.integrity import integrity
from fer_deploy.gate.judge import verdicts_of
from fer_deploy.gate.limits import ACCURACY_DROP, DEFAULT_SLOWDOWN
from fer_deploy.gate.reference import reference_of
from fer_deploy.gate.verdicts import Check, Outcome
from fer_deploy.gate.waivers import apply_waivers, stray_waivers
from fer_deploy.model.names import model_name
from fer_deploy.model.origin import ModelFiles, read_model_files
from fer_deploy.pipeline.against import verdicts_against
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import plan_exports
from fer_deploy.pipeline.recompute import recompute
from fer_deploy.report.schema import Report, load_report

REPORT_FILE = "report.json"
#: Beside the configuration; committed.
REFERENCE_FILE = "fer-deploy.reference.json"


def check_report(
    path: str | os.PathLike[str],
    config: Config | None = None,
    budget: Budget | None = None,
    reference: str | os.PathLike[str] | None = None,
    today: datetime.date | None = None,
    again: bool = False,
    against: str | os.PathLike[str] | None = None,
    max_slowdown: float = DEFAULT_SLOWDOWN,
) -> tuple[Report, Check]:
    """Return the report in ``path`` and the verdicts on it.

    Args:
        path: ``report.json``, its artifacts beside it.
        config: what was asked for; None when there is no configuration.
        budget: the limits; None for those of the configuration.
        reference: a committed reference to compare with, or None.
        today: decides which waivers hold; None for this day, UTC.
        again: run the model and the artifacts again on a part of the test images, see :func:`recompute`.
        against: an earlier report, its artifacts beside it, to time them beside each other, see
            :func:`~fer_deploy.pipeline.against.verdicts_against`.
        max_slowdown: per cent that this must rule out.

    Raises:
        ArgumentError: a path is none.
        ArtifactError: the report or the reference cannot be read.
        ConfigError: there is nothing to hold the report to, or a line of the budget or a waiver is about nothing.
    """
    path = as_path(path, "path")
    judged_sha256 = sha256_of(path) if path.is_file() else ""
    report = load_report(path)
    if budget is None:
        budget = config.budget if config else Budget()
    devices = _profiles(report, config)
    profiles = {
        name: limits
        for name, (one, _) in devices.items()
        if (limits := Limits.of_profile(one.budgets)) is not None
    }
    expected = _expected(report, config, devices)
    figures = held(report, budget, expected, profiles)
    if strays := idle_lines(report, budget, expected, figures):
        raise ConfigError("; ".join(strays))
    if (
        reference is None
        and against is None
        and not any(one.line is not None and one.line.value is not None for one in figures)
    ):
        raise ConfigError(
            "there is nothing to check: set limits in [budget] of fer-deploy.toml, by flags such as "
            f"{ACCURACY_DROP.option} 0.5, or commit a reference with `fer-deploy baseline`"
        )
    before = load_report(reference) if reference is not None else None
    found = (
        *integrity(report, path, _current_model(report, config)),
        *counts(report),
        *(recompute(report, path, config) if again else ()),
        *verdicts_of(report, budget, expected, figures),
        *(
            verdicts_against(report, path, as_path(against, "against"), max_slowdown)
            if against is not None
            else ()
        ),
        *(against_reference(before, report) if before is not None else ()),
    )
    waivers = config.waiver if config else ()
    if strays := stray_waivers(report, waivers, expected, found):
        raise ConfigError("; ".join(strays))
    if sha256_of(path) != judged_sha256:
        raise ArtifactError(f"{path} was replaced while it was checked, by another run perhaps; check again")
    now = datetime.datetime.now(datetime.UTC)
    judged, notes = apply_waivers(found, waivers, today or now.date(), expected)
    return report, Check(
        created=now.isoformat(timespec="seconds"),
        report=str(path),
        report_sha256=judged_sha256,
        model=report.model.name,
        reference=str(reference) if reference else None,
        verdicts=judged,
        changes=() if before is None or comparable(before, report) else changes(before, report),
        budget=accounts(budget, figures),
        notes=(*notes, *shadowed_lines(budget, figures)),
    )


def default_report(config: Config) -> Path:
    """Return where ``run`` writes the report of this configuration.

    Raises:
        ArtifactError: it is not there.
    """
    path = config.export.output / model_name(config.model.path, config.model.name) / REPORT_FILE
    if path.is_file():
        return path
    raise ArtifactError(
        f"there is no report {path}; make one with `fer-deploy run`, or name one: fer-deploy check REPORT"
    )


def written_report(report: Report) -> Path:
    """Return the file that ``run`` wrote a report into: it lies beside the artifacts.

    Raises:
        ArtifactError: it is not there, or holds another report by now.
    """
    path = Path(report.artifacts[0].path).parent / REPORT_FILE
    if not path.is_file():
        raise ArtifactError(
            f"the report is not in {path}, where it was written; give the path of its report.json"
        )
    if load_report(path) != report:
        raise ArtifactError(
            f"{path} holds another report by now, by a later run perhaps; give a path instead"
        )
    return path


def reference_beside(config: Path | None) -> Path | None:
    """Return the committed reference beside a configuration file (None: in the working folder), if there is one."""
    path = (config.parent if config is not None else Path()) / REFERENCE_FILE
    return path if path.is_file() else None


def write_reference(path: Path, config: Config | None, goal: Path) -> Report:
    """Write the reference that later checks are held to, and return it.

    Raises:
        ArtifactError: the report cannot be read, or is not about the files beside it.
    """
    report = load_report(path)
    broken = [
        one
        for one in integrity(report, path, _current_model(report, config))
        if one.outcome is not Outcome.PASS
    ]
    if broken:
        raise ArtifactError(f"{path} is no reference: {broken[0].message}")
    if contrary := contradictions(report):
        raise ArtifactError(f"{path} is no reference, it contradicts itself: {contrary[0]}")
    reference = reference_of(report)
    reference.write(goal)
    return reference


def _expected(
    report: Report, config: Config | None, devices: Mapping[str, tuple[DeviceProfile, tuple[str, ...]]]
) -> Expected:
    targets_of = {name: tuple(profile.targets) for name, (profile, _) in devices.items()}
    also_called = {name: names for name, (_, names) in devices.items()}
    for one in report.devices:
        if one.asked is not None and one.asked in FAMILY_NAMES:
            also_called[one.name] = (*also_called.get(one.name, ()), one.asked)
    if config is None:
        return Expected(targets_of=targets_of, also_called=also_called)
    plan = plan_exports(config.export.targets, config.export.recipes)
    names = tuple(_name_in(report, asked) for asked in config.profile.devices)
    keys = tuple(f"{target}-{recipe}" for target, recipe in plan.pairs)
    return Expected(keys, names, targets_of, also_called)


def _profiles(report: Report, config: Config | None) -> dict[str, tuple[DeviceProfile, tuple[str, ...]]]:
    """Return the profiles of the devices in the report and the configuration, those that there are, by name.

    Beside each stand its other names: its aliases, and what the configuration calls it.
    """
    found: dict[str, tuple[DeviceProfile, tuple[str, ...]]] = {}
    for asked in (*(one.name for one in report.devices), *(config.profile.devices if config else ())):
        try:
            profile = load_profile(_name_in(report, asked))
        except DeviceError:
            continue  # a report from another machine may name a profile that only exists there
        _, others = found.get(profile.name, (profile, profile.aliases))
        found[profile.name] = profile, tuple(dict.fromkeys((*others, asked)))
    return found


def _name_in(report: Report, asked: str) -> str:
    """Return the name of the device that the configuration asks for: a family's is the phone that was attached.

    Raises:
        DeviceError: there is none of that name.
    """
    for one in report.devices:
        if (asked in FAMILY_NAMES and one.asked == asked) or asked == one.name:
            return one.name
    return asked if asked == ANY_PHONE else load_profile(asked).name


def _current_model(report: Report, config: Config | None) -> ModelFiles | Unknown:
    """Return the configured model as its files are now, without a configuration the one that was reported on."""
    origin = report.origin
    reference = report.model.source
    contract, weights = (Path(one) if one is not None else None for one in (origin.contract, origin.weights))
    name = origin.name
    if config is not None:
        model = config.model
        reference, contract, weights, name = model.path, model.contract, model.weights, model.name
    try:
        return read_model_files(reference, contract, weights, name)
    except (ContractError, ModelError) as error:
        hint = "" if config is not None else "; name the configuration with --config"
        return Unknown(reason=f"{error}{hint}")
