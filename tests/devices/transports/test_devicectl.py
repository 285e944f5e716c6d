"""An iPhone on a Mac, played: xcrun is a script, the Mac is faked; what no Mac has run is said in docs/devices.md."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.devices.choice import chosen
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.devicectl import DevicectlTransport, parse_devices
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fixtures import ios_phone
from fixtures.lowered import Lower

QUICK = TimingProtocol(warmups=1, min_runs=40, min_seconds=0)


class Mac:
    """The played phone: what lies in the demo's container, and what it is told to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "xcrun"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} {ios_phone.__file__} {folder} "$@"\n')
        self.program.chmod(0o755)
        self.says(phones=[["A-1", "iPhone16,1", "connected"]], demo=True, fault="")

    def says(self, **what: object) -> None:
        path = self.folder / "says.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | what))


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mac:
    (tmp_path / "mac").mkdir()
    played = Mac(tmp_path / "mac")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setenv("FER_DEPLOY_XCRUN", str(played.program))
    return played


@pytest.fixture
def artifact(lowered: Lower) -> Artifact:
    return lowered("coreml", "float")[0]


@pytest.mark.usefixtures("mac")
def test_logits_and_times_come_back(artifact: Artifact) -> None:
    transport = DevicectlTransport(profile=load_profile("iphone-15-pro"))
    assert transport.obstacle() is None
    assert transport.obstacle("coreml") is None
    assert transport.there() == "iPhone A-1"
    timing = transport.time(artifact, QUICK)
    assert timing.golden_difference == 0
    assert len(timing.samples_ms) == 3000
    pixels = np.zeros((5, *artifact.info.contract.input.shape[1:]), dtype=np.uint8)
    logits = transport.logits(artifact, pixels)
    assert logits.shape == (5, len(artifact.info.contract.labels))
    assert logits[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.usefixtures("mac")
def test_iphone_is_the_phone_on_this_mac(artifact: Artifact) -> None:
    found = chosen("iphone")
    assert (found.profile.name, found.profile.address) == ("iphone-15-pro", "A-1")
    arguments = ["profile", str(artifact.folder), "--device", "iphone", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["attached"] == "iPhone A-1"
    assert report["figures"][0]["latency_p50"]["provenance"] == "measured"


def test_a_phone_without_a_profile_is_timed_too(mac: Mac, artifact: Artifact) -> None:
    mac.says(phones=[["A-1", "iPhone99,9", "connected"]])
    result = CliRunner().invoke(main, ["profile", str(artifact.folder), "--device", "iphone", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["name"] == "iphone99-9"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"phones": []}, "no iPhone is connected"),
        ({"phones": [["A-1", "iPhone16,1", "unavailable"]]}, "no iPhone is connected"),
        (
            {"phones": [["A", "iPhone16,1", "connected"], ["B", "iPhone16,1", "connected"]]},
            r"2 iPhones .* \(A, B\)",
        ),
        (
            {"phones": [["A-1", "iPhone17,3", "connected"]]},
            "is iPhone17,3, profile 'iphone-15-pro' wants iPhone16,1",
        ),
        ({"demo": False}, "is not installed on iPhone A-1"),
        ({"fault": "launch"}, "'devicectl device process launch' failed: the device is locked"),
        ({"fault": "old"}, "returned the result of another run"),
        ({"fault": "other"}, "returned the result of another artifact"),
        ({"fault": "json"}, "wrote no JSON; update Xcode"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    mac: Mac, artifact: Artifact, what: dict[str, object], said: str
) -> None:
    mac.says(**what)
    with pytest.raises(DeviceError, match=said):
        DevicectlTransport(profile=load_profile("iphone-15-pro")).time(artifact, QUICK)


def test_the_demo_is_installed_where_one_was_built(
    mac: Mac, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac.says(demo=False)
    app = mac.folder / "FerDemo.app"
    app.mkdir()
    monkeypatch.setenv("FER_DEPLOY_IOS_APP", str(app))
    assert DevicectlTransport().obstacle("coreml") is None
    assert (mac.folder / "installed").read_text() == str(app)
    assert DevicectlTransport().time(artifact, QUICK).golden_difference == 0


@pytest.mark.usefixtures("mac")
def test_what_an_app_cannot_do_is_refused(artifact: Artifact) -> None:
    with pytest.raises(DeviceError, match="cannot be pinned to cores"):
        DevicectlTransport().time(artifact, QUICK.model_copy(update={"cores": (0,)}))
    assert "does not run onnx" in (DevicectlTransport().obstacle("onnx") or "")


def test_elsewhere_it_says_what_to_do() -> None:
    transport = DevicectlTransport(profile=load_profile("iphone-15-pro"))
    assert transport.there() is None
    assert "--result timing.json" in (transport.obstacle() or "")


@pytest.mark.parametrize(
    "document", [None, [], {}, {"result": 1}, {"result": {"devices": [1, {}, {"hardwareProperties": 1}]}}]
)
def test_a_listing_of_another_form_is_no_phone(document: object) -> None:
    assert parse_devices(document) == ()
