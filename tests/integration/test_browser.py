"""The browser transport against a real headless Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.browser import BrowserTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact, open_artifact

pytestmark = pytest.mark.browser


@pytest.fixture
def browser() -> BrowserTransport:
    obstacle = BrowserTransport().obstacle()
    if obstacle:
        pytest.skip(f"{obstacle} (tests/integration/setup_browser.sh)")
    return BrowserTransport()


def test_float_logits_agree_with_the_native_runtime(
    browser: BrowserTransport, artifacts: dict[str, Artifact], images: NDArray[np.uint8]
) -> None:
    artifact = artifacts["onnx-float"]

    there = browser.logits(artifact, images[:50])

    np.testing.assert_allclose(there, HostTransport().logits(artifact, images[:50]), atol=1e-3)


def test_int8_is_timed_and_checked_against_its_golden_vectors(
    browser: BrowserTransport, artifacts: dict[str, Artifact]
) -> None:
    protocol = TimingProtocol(warmups=5, min_runs=50, min_seconds=0, threads=2)

    result = browser.time(artifacts["onnx-w8a8-ptq"], protocol)

    assert len(result.samples_ms) == 50
    assert np.median(result.samples_ms) > 0.01
    assert "in Chromium" in result.runtime_version
    assert result.golden_difference is not None
    assert result.golden_tolerance is not None
    assert result.golden_difference <= result.golden_tolerance


def test_hostile_names_and_damaged_models(
    browser: BrowserTransport, artifacts: dict[str, Artifact], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    hostile = tmp_path / "--chromium=x; $(touch trap) \n"
    shutil.copytree(artifacts["onnx-float"].folder, hostile)
    artifact = open_artifact(hostile)
    assert browser.logits(artifact, images[:1]).shape == (1, 8)
    assert not Path("trap").exists()

    artifact.file.write_bytes(b"no model")
    with pytest.raises(DeviceError, match="running onnx-float in the browser failed"):
        browser.logits(artifact, images[:1])


def test_executorch_is_refused(artifacts: dict[str, Artifact], images: NDArray[np.uint8]) -> None:
    with pytest.raises(DeviceError, match="no browser runs executorch"):
        BrowserTransport().logits(artifacts["executorch-float"], images[:1])
