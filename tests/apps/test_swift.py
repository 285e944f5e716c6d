"""The Swift package, built and tested on Linux, and the app against stubs: ``ios_demo/check-linux.sh``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps import make_vectors
from apps.conftest import REPOSITORY, Script

pytestmark = [pytest.mark.swift, pytest.mark.slow]


def test_package_passes_its_tests_on_vectors_that_are_not_committed(
    check_swift: Script, tmp_path: Path
) -> None:
    vectors = tmp_path / "vectors.json"
    vectors.write_text(make_vectors.text(make_vectors.document(seed=98, count=1000)))
    done = check_swift(FER_VECTOR_FILE=str(vectors))
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "1000 preprocessing vectors agree byte for byte" in output
    assert "with 0 failures" in output
    assert "the app typechecks against the stub modules" in output
    assert "the app plays on the stub modules" in output
    example = re.search(
        r"^TIMING EXAMPLE BEGINS\n(.*)\nTIMING EXAMPLE ENDS$", output, re.MULTILINE | re.DOTALL
    )
    assert example is not None
    committed = REPOSITORY / "ios_demo/docs/timing-example.json"
    assert example[1].strip() == committed.read_text().strip(), "run ios_demo/draw-screens.sh"


def test_a_misspelt_call_does_not_typecheck(check_swift: Script, repository_copy: Path) -> None:
    source = repository_copy / "ios_demo/App/CoreMLEngine.swift"
    text = source.read_text()
    assert "model.prediction(from:" in text
    source.write_text(text.replace("model.prediction(from:", "model.predicton(from:"))
    done = check_swift(FER_PLAY=1)
    assert done.returncode != 0
    assert "has no member 'predicton'" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "text", "other", "complaint"),
    [
        (
            "Camera.swift",
            "guard session.canAddInput(input)",
            "guard true",
            "NSInvalidArgumentException: addInput",
        ),
        (
            "Camera.swift",
            "connection.isVideoRotationAngleSupported(angle)",
            "angle >= 0",
            "NSInvalidArgumentException: videoRotationAngle",
        ),
        ("Camera.swift", "if wanted, !session.isRunning", "if !session.isRunning", "nobody looks through"),
        (
            "Demo.swift",
            "guard mine == choice else { return }\n            state = classifier",
            "state = classifier",
            "PLAY FAILED",
        ),
    ],
    ids=["input", "angle", "camera left on", "late choice"],
)
def test_what_would_go_wrong_on_a_phone_goes_wrong_when_played(
    check_swift: Script, repository_copy: Path, file: str, text: str, other: str, complaint: str
) -> None:
    source = repository_copy / "ios_demo/App" / file
    assert text in source.read_text()
    source.write_text(source.read_text().replace(text, other))
    done = check_swift(FER_PLAY=1)
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert "the app typechecks against the stub modules" in output
    assert complaint in output
