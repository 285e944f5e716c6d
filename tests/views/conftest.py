"""The sample report, once with labels that attack every view and once with plain ones."""

from __future__ import annotations

import pytest

from fer_deploy.report.schema import Report
from fixtures.sample_report import PLAIN_LABELS, sample_report


@pytest.fixture(scope="session")
def report() -> Report:
    return sample_report()


@pytest.fixture(scope="session")
def plain_report() -> Report:
    return sample_report(PLAIN_LABELS)
