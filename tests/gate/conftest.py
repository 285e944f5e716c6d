"""The sample report with plain labels, whose figures the gate's tests know."""

from __future__ import annotations

import pytest

from fer_deploy.report.schema import Report
from fixtures.sample_report import PLAIN_LABELS, sample_report


@pytest.fixture(scope="session")
def plain_report() -> Report:
    return sample_report(PLAIN_LABELS)
