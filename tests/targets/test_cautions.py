"""What an app gets that opens an int8 file without care is measured where it can be, and said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.pipeline.export import doubts
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.artifact import open_artifact, write_artifact
from fer_deploy.targets.base import Session
from fer_deploy.targets.onnx.target import OnnxTarget
from fixtures.lowered import Lower


class _Halved(Session):
    """Saturates, as x86 without VNNI does."""

    def __init__(self, file: Path) -> None:
        self._careful = OnnxTarget().open(file, 1)

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.minimum(self._careful.run(pixels), 0.0)


class _Careless(OnnxTarget):
    def open_plainly(self, file: Path) -> tuple[Session, str] | None:
        return _Halved(file), "opened carelessly"


def test_other_answers_of_a_plain_session_are_measured_and_said(
    tmp_path: Path, small_graphs: dict[str, Graph]
) -> None:
    artifact, _ = write_artifact(_Careless(), small_graphs["w8a8-ptq"], tmp_path / "a", "edges", "0" * 64)
    (said,) = artifact.info.cautions
    assert re.match(r"opened carelessly its answers to 32 faces are at -?\d+\.\d dB and \d+% agreement", said)
    assert said in doubts(open_artifact(tmp_path / "a"))


def test_a_float_file_needs_no_care(tmp_path: Path, small_graphs: dict[str, Graph]) -> None:
    artifact, _ = write_artifact(_Careless(), small_graphs["float"], tmp_path / "a", "edges", "0" * 64)
    assert artifact.info.cautions == ()


@pytest.mark.parametrize("lacks", [True, False])
def test_a_processor_with_vnni_has_no_plain_session_to_fear(
    monkeypatch: pytest.MonkeyPatch, lowered: Lower, lacks: bool
) -> None:
    monkeypatch.setattr("fer_deploy.targets.onnx.target.lacks_vnni", lambda: lacks)
    opened = OnnxTarget().open_plainly(lowered("onnx", "w8a8-ptq")[0].file)
    assert (opened is not None) is lacks
