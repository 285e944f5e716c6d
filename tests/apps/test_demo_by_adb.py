"""The demo's own benchmark code, on a JVM behind a real adbd, driven by the adb transport.

Played are Android (its ``am``, ``pm`` and the activity) and the runtime: the engine is that of the vectors' artifact,
whose logit k is pixel k divided by ten.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from apps.conftest import Script, android_cache
from apps.make_artifact import COMMITTED
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.adb import AdbTransport
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import GOLDEN_FILE, Artifact, open_artifact
from fixtures.adb_lab import AdbLab, adb_lab  # noqa: F401 - a fixture

pytestmark = [pytest.mark.kotlin, pytest.mark.adb, pytest.mark.slow]


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    folder = tmp_path / "artifact"
    folder.mkdir()
    for file in COMMITTED.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return open_artifact(folder)


def test_the_kotlin_core_answers_the_adb_transport(
    adb_lab: AdbLab,  # noqa: F811
    build_apk: Script,
    repository_copy: Path,
    artifact: Artifact,
) -> None:
    done = build_apk("core")
    assert done.returncode == 0, done.stdout + done.stderr
    build = repository_copy / "android_demo" / "build"
    (library,) = android_cache().glob("kotlin-*/lib/kotlin-stdlib.jar")
    json = max(android_cache().glob("debian-*/usr/share/java/com.android.json.jar"))
    jars = ":".join(map(str, (build / "core.jar", build / "test.jar", library, json)))
    adb_lab.plug(demo=shlex.join(["java", "-cp", jars, "org.ferdeploy.core.PretendedPhoneKt"]) + ' "$@"\n')
    transport = AdbTransport()
    pixels = np.random.default_rng(0).integers(0, 256, (5, *artifact.info.input.shape[1:]), dtype=np.uint8)

    logits = transport.logits(artifact, pixels)
    result = transport.time(artifact, TimingProtocol(warmups=3, min_runs=30, min_seconds=0, threads=2))

    expected = pixels.reshape(5, -1)[:, :3].astype(np.float32) / np.float32(10)
    np.testing.assert_array_equal(logits, expected)
    assert result.runtime_version == "0.0.1 in the Android demo"
    assert len(result.samples_ms) == 30
    assert result.threads == 2
    assert result.golden_difference == 0
    assert result.cores
    assert result.peak_memory_bytes is not None or result.peak_memory_reason
    assert result.before is not None
    assert result.before.battery_percent == 81

    golden = artifact.folder / GOLDEN_FILE
    golden.write_text(golden.read_text().replace('"artifact_sha256": "', '"artifact_sha256": "0'))
    with pytest.raises(DeviceError, match=r"the Android demo says: .*golden\.json"):
        transport.logits(artifact, pixels)
    assert adb_lab.storage() == []
    assert adb_lab.demo_results() == []
    assert not adb_lab.demo_runs()
