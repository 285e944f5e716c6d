"""The sample report, with labels that attack whatever reads them."""

from __future__ import annotations

import pytest

from fer_deploy.report.schema import Report
from fixtures.sample_report import sample_report


@pytest.fixture(scope="session")
def report() -> Report:
    return sample_report()
