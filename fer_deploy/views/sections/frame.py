"""What stands around the figures: the head, the warnings, where everything comes from, reasons and legend."""

from __future__ import annotations

from fer_deploy.gate.verdicts import Check
from fer_deploy.report.schema import CalibrationSummary, Report
from fer_deploy.report.wording import UNITS_NOTE, describe
from fer_deploy.views.blocks import (
    FILES,
    Banner,
    Block,
    Facts,
    Gap,
    Items,
    Legend,
    Look,
    Notes,
    Say,
    Section,
    Span,
    Text,
    View,
)
from fer_deploy.views.sections.verdicts import ANCHOR as VERDICTS
from fer_deploy.views.sections.verdicts import can_it_ship
from fer_deploy.views.tables import images_read, model_sentence


def head(report: Report, check: Check | None) -> Section:
    """Return the first section: the model, when and how the report was made, and how to read it."""
    model = report.model
    named = (
        (model.name, "parameters", model.parameters),
        (model.name, "multiply-accumulates", model.macs),
    )
    blocks: tuple[Block, ...] = (
        *([Banner(check.summary, check.outcome, VERDICTS, views=View.HTML)] if check else []),
        Items(tuple(can_it_ship(report, check)), lead=("Can it ship?",), views=FILES),
        Say(model_sentence(report), named=named),
        *([Say((f"Test set: {images_read(report.dataset)}.",), fine=True)] if report.dataset.account else []),
        Say((report.created, " · ", Span(report.command, Look.CODE)), fine=True, views=FILES),
        Legend(views=FILES),
        Say((UNITS_NOTE,), fine=True, views=FILES),
    )
    return Section(model.name, "report", blocks, kicker="Deployment report", summary=True)


def warnings(report: Report, _: Check | None) -> Section:
    """Return the report's warnings."""
    items: tuple[Text, ...] = tuple((warning,) for warning in report.warnings)
    return Section(
        "Warnings",
        "warnings",
        (Items(items, look=Look.DOUBTFUL),),
        titled=FILES,
        look="warnings",
        summary=True,
    )


def origin(report: Report, _: Check | None) -> Section:
    """Return what model, data and tools the report is about."""
    model, data, spec = report.model, report.dataset, report.model.contract.input
    trained = model.contract.trained_on
    numbers = (", ".join(map(str, values)) for values in (spec.mean, spec.std))
    prepared = "{}, {} resize, crop margin {}, mean {}, std {}".format(
        f"{spec.height} × {spec.width} {spec.color}", spec.resize, spec.crop_margin, *numbers
    )
    facts: list[tuple[str, Text]] = [
        ("Model", (f"{model.source}, weights sha256 ", Span(model.weights_sha256, Look.CODE))),
        ("Contract", (f"{prepared}; sha256 ", Span(model.contract_sha256, Look.CODE))),
        ("Trained on", (" ".join(part for part in (trained.dataset, trained.split, trained.note) if part),)),
        (
            "Tested on",
            (f"{data.name}: {images_read(data)}; {_counts(data.per_class)}",),
        ),
        ("Calibrated on", (_calibrated(report.calibration),)),
        (
            "Parameters and work",
            (f"{describe(model.parameters)}; {describe(model.macs)} multiply-accumulates",),
        ),
        ("Versions", (", ".join(f"{name} {version}" for name, version in report.versions.items()),)),
    ]
    if report.reused:
        facts.append(("Reused", (f"from an earlier run of the same inputs: {', '.join(report.reused)}",)))
    facts.append(("Schema", (report.schema_version,)))
    return Section("Where this comes from", "origin", (Facts(tuple(facts), views=FILES),))


def missing(gaps: tuple[Gap, ...]) -> Section:
    """Return the reasons for what was not measured, or that there are none."""
    nothing = Say(("Nothing: every figure of this report was obtained.",), views=FILES)
    return Section("Not measured, and why", "missing", (Notes(gaps) if gaps else nothing,), summary=True)


def legend() -> Section:
    """Return what the marks mean, for a view that is read from its end."""
    blocks = (Legend(views=View.TERMINAL), Say((UNITS_NOTE,), fine=True, views=View.TERMINAL))
    return Section("Legend", "legend", blocks, summary=True)


def _calibrated(calibration: CalibrationSummary | None) -> str:
    if calibration is None:
        return "nothing: no recipe of this run observes ranges"
    how = f"{calibration.images:,} images, {calibration.observer} observer, seed {calibration.seed}"
    return f"{calibration.dataset}: {how}; {_counts(calibration.per_class)}"


def _counts(per_class: dict[str, int]) -> str:
    return ", ".join(f"{label} {count:,}" for label, count in per_class.items())
