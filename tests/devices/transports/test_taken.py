"""Results that were taken elsewhere: each artifact gets its own, once; what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.taken import TakenTransport
from fer_deploy.errors import DeviceError
from fixtures.ios_phone import written_by_phone
from fixtures.lowered import Lower


def test_each_artifact_gets_its_own_result_once(lowered: Lower, tmp_path: Path) -> None:
    one, other = lowered("coreml", "float")[0], lowered("coreml", "w8a8-ptq")[0]
    files = []
    for number, artifact in enumerate((one, other)):
        document = written_by_phone(artifact)
        document["timing"]["samples_ms"] = [1.0 + number] * 400
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document))
    taken = TakenTransport(files)
    taken.require_about([one, other])
    assert not taken.live
    assert (taken.identifier, taken.system) == ("iPhone16,1", "iOS 17.5.1")
    assert taken.there() == "the phone of 0.json, 1.json (iPhone16,1 with iOS 17.5.1)"
    assert taken.time(one, TimingProtocol()).samples_ms == (1.0,) * 400
    assert taken.time(other, TimingProtocol()).samples_ms == (2.0,) * 400
    foreign = lowered("onnx", "float")[0]
    assert taken.obstacle_for(one) is None
    assert taken.obstacle_for(foreign) == "no result that was given is of this artifact"
    with pytest.raises(DeviceError, match="no result that was given"):
        taken.time(foreign, TimingProtocol())
    with pytest.raises(DeviceError, match="its phone is not here"):
        taken.logits(one, np.zeros((1, 1, 8, 8), dtype=np.uint8))
    with pytest.raises(DeviceError, match="is of coreml-w8a8-ptq of"):
        taken.require_about([one])
