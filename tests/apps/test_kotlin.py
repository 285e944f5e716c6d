"""The Kotlin core, compiled and run on the JVM: ``android_demo/build-apk.sh core``."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps import make_vectors
from apps.conftest import Script
from fer_deploy.devices.timing import TimingResult

pytestmark = [pytest.mark.kotlin, pytest.mark.slow]


def test_core_passes_its_tests_on_vectors_that_are_not_committed(build_apk: Script, tmp_path: Path) -> None:
    vectors, timing = tmp_path / "vectors.json", tmp_path / "timing.json"
    vectors.write_text(make_vectors.text(make_vectors.document(seed=99, count=1000)))
    done = build_apk("core", VECTOR_FILE=str(vectors), TIMING_RESULT=str(timing))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1000 preprocessing vectors agree byte for byte" in done.stdout
    assert "\nOK (" in done.stdout
    result = TimingResult.model_validate_json(timing.read_text())
    assert result.samples_ms == (1.0, 1.0)
    assert result.peak_memory_reason == "no /proc"


def test_a_wrong_rounding_is_found(build_apk: Script, repository_copy: Path) -> None:
    source = repository_copy / "android_demo/core/src/main/kotlin/org/ferdeploy/core/Taps.kt"
    text = source.read_text()
    assert "var sum = 1 shl (BITS - 1)" in text
    source.write_text(text.replace("var sum = 1 shl (BITS - 1)", "var sum = 0"))
    done = build_apk("core")
    assert done.returncode != 0
    assert "every vector gives the bytes of the Python reference" in done.stdout
