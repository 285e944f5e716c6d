"""Which sections a report has, in which order: said here, once, for terminal, Markdown and HTML.

A new section is a function in :mod:`fer_deploy.views.sections` and a line in :data:`SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable

from fer_deploy.gate.verdicts import Change, Check
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.views.blocks import NOWHERE, Document, Heading, Section
from fer_deploy.views.gaps import collect
from fer_deploy.views.sections import accuracy, devices, frame, images, layers, verdicts

#: From top to bottom. Reasons and legend follow them, since they are about all of them.
SECTIONS: tuple[Callable[[Report, Check | None], Section | None], ...] = (
    frame.head,
    verdicts.verdicts,
    frame.warnings,
    accuracy.artifacts,
    devices.devices,
    accuracy.accuracy,
    accuracy.classes,
    accuracy.calibration,
    layers.layers,
    images.confusion,
    images.flips,
    accuracy.between,
    accuracy.words,
    frame.origin,
)


def document(report: Report, check: Check | None = None) -> Document:
    """Return the report, with the verdicts of a ``check`` of it when there is one."""
    made = (make(report, check) for make in SECTIONS)
    sections = tuple(section for section in made if section is not None)
    return _with_reasons(f"{report.model.name}: deployment report", sections)


def device_document(device: DeviceReport) -> Document:
    """Return one device's figures alone, with the reasons for what is missing and the legend."""
    return _with_reasons(device.market_name, (devices.device_alone(device),))


def check_document(check: Check) -> Document:
    """Return the verdicts alone. They are in words, so neither reasons nor legend follow."""
    sections = (verdicts.verdict_section(check),)
    return Document(f"{check.model}: verdicts", sections, collect(sections))


def change_document(changes: tuple[Change, ...]) -> Document:
    """Return changes alone, or that there are none."""
    none = Heading("No figure differs beyond noise.", level=2)
    blocks = (verdicts.change_entries(changes),) if changes else (none,)
    return Document("Changes", (Section("Changes", "changes", blocks, titled=NOWHERE),), ())


def _with_reasons(name: str, sections: tuple[Section, ...]) -> Document:
    gaps = collect(sections)
    return Document(name, (*sections, frame.missing(gaps), frame.legend()), gaps)
