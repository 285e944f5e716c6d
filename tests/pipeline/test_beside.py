"""A second process answers as this one does, and where it cannot, this one answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ArtifactError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.subject import Inference
from fer_deploy.pipeline import beside as module
from fer_deploy.pipeline.beside import Beside, host_answers
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.lowered import Lower

PAIRS = (("onnx", "float"), ("executorch", "w8a8-ptq"), ("coreml", "w8a8-ptq"))


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH_IT", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("FORKING NOT TESTED: other systems' libraries do not bear it")
    monkeypatch.setattr(module, "two_processes", lambda: True)
    monkeypatch.setattr(subprocess, "Popen", None)


def equal(one: Inference | Unknown, other: Inference | Unknown) -> bool:
    assert isinstance(one, Inference)
    assert isinstance(other, Inference)
    return np.array_equal(one.logits, other.logits) and one.emulation == other.emulation


def test_the_second_process_answers_as_this_one(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = [lowered(*pair)[0] for pair in PAIRS]
    here = [host_answers(artifact, test_faces.pixels) for artifact in artifacts]
    with Beside(test_faces.pixels) as beside:
        for artifact in artifacts:
            beside.ask(artifact)
        with monkeypatch.context() as patched:
            patched.setattr(module, "host_answers", None)  # nothing is answered here
            there = []
            for artifact in artifacts:
                begun(beside, artifact.key)
                there.append(beside.answers(artifact))
    assert all(map(equal, here, there))


@pytest.mark.usefixtures("forked")
def test_a_forked_process_answers_as_this_one_and_does_other_work(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = [lowered(*pair)[0] for pair in PAIRS]
    here = [host_answers(artifact, test_faces.pixels) for artifact in artifacts]
    parent, table = os.getpid(), np.arange(3)
    works = {"who": os.getpid, "nothing": lambda: None, "array": lambda: table * 2}
    with Beside(test_faces.pixels, works) as beside:
        for name in works:
            beside.ask_work(name)
        for artifact in artifacts:
            beside.ask(artifact)
        begun(beside, artifacts[-1].key)  # and so all before it
        assert beside.done("who") not in (None, parent)
        monkeypatch.setattr(module, "host_answers", None)  # nothing is answered here
        beside._works.clear()
        assert beside.done("nothing") is None
        assert np.array_equal(np.asarray(beside.done("array")), table * 2)
        there = [beside.answers(artifact) for artifact in artifacts]
    assert all(map(equal, here, there))


@pytest.mark.usefixtures("forked")
def test_work_that_fails_there_is_done_here(test_faces: Faces) -> None:
    parent = os.getpid()

    def fails() -> int:
        if os.getpid() != parent:
            os._exit(9)
        raise ArtifactError("said here")

    with Beside(test_faces.pixels, {"fails": fails, "later": os.getpid}) as beside:
        beside.ask_work("fails")
        beside.ask_work("later")
        begun(beside, "later")
        with pytest.raises(ArtifactError, match="said here"):
            beside.done("fails")
        assert beside.done("later") == parent


def test_work_is_done_here_without_a_forked_process(test_faces: Faces) -> None:
    with Beside(test_faces.pixels, {"who": os.getpid}) as beside:
        beside.ask_work("who")
        assert beside.done("who") == os.getpid()
        assert beside._process is None


def begun(beside: Beside, key: str) -> None:
    """Wait until the second process has come to what is called so."""
    future = beside._asked[key]
    while not (future.running() or future.done()):
        time.sleep(0.01)


def test_what_the_second_process_has_not_come_to_is_answered_here(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = (lowered("onnx", recipe)[0] for recipe in ("float", "w8a8-ptq"))
    here: list[str] = []

    def answered(artifact: Artifact, pixels: NDArray[np.uint8]) -> Inference | Unknown:
        here.append(artifact.key)
        return host_answers(artifact, pixels)

    monkeypatch.setattr(module, "host_answers", answered)
    with Beside(test_faces.pixels) as beside:
        beside.ask(first)
        beside.ask(last)
        begun(beside, first.key)  # its process has yet to start
        answers = [beside.answers(artifact) for artifact in (last, first)]
    assert here == [last.key]
    assert all(map(equal, answers, [host_answers(artifact, test_faces.pixels) for artifact in (last, first)]))


def test_a_process_that_ends_is_replaced_by_this_one(lowered: Lower, test_faces: Faces) -> None:
    artifact, _ = lowered("onnx", "float")
    with Beside(test_faces.pixels) as beside:
        beside.ask(artifact)
        begun(beside, artifact.key)
        first = beside.answers(artifact)
        assert beside._process is not None
        beside._process.kill()
        beside.ask(artifact)
        assert equal(beside.answers(artifact), first)


def test_nothing_is_started_where_it_does_not_help(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, _ = lowered("onnx", "float")
    monkeypatch.setattr(subprocess, "Popen", None)
    with Beside(test_faces.pixels) as unasked:
        assert equal(unasked.answers(artifact), host_answers(artifact, test_faces.pixels))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with Beside(test_faces.pixels) as alone:
        alone.ask(artifact)
        assert equal(alone.answers(artifact), host_answers(artifact, test_faces.pixels))


def test_what_is_wrong_with_an_artifact_is_said_here(
    lowered: Lower, test_faces: Faces, tmp_path: Path
) -> None:
    artifact, _ = lowered("onnx", "float")
    broken = open_artifact(Path(shutil.copytree(artifact.folder, tmp_path / "onnx-float")))
    broken.file.write_bytes(b"no model")
    with Beside(test_faces.pixels) as beside:
        beside.ask(broken)
        with pytest.raises(ArtifactError):
            beside.answers(broken)


def test_questions_left_open_are_dropped_with_the_process(lowered: Lower, test_faces: Faces) -> None:
    with Beside(test_faces.pixels) as beside:
        for pair in PAIRS:
            beside.ask(lowered(*pair)[0])
    assert beside._process is None


def test_closing_while_the_process_starts_ends_it(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question is still starting the process when the run ends: it is not waited for."""
    artifact, _ = lowered("onnx", "float")
    start, begun, closing = subprocess.Popen, threading.Event(), threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def slow(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        begun.set()
        closing.wait(60)
        started.append(start(command, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", slow)
    beside = Beside(test_faces.pixels)
    beside.ask(artifact)
    assert begun.wait(60)
    end = threading.Thread(target=beside.close, daemon=True)
    end.start()
    closing.set()
    end.join(60)
    assert not end.is_alive()
    assert [process.returncode is not None for process in started] == [True]


def test_a_closed_one_starts_nothing(
    lowered: Lower, test_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Beside(test_faces.pixels)
    beside.close()
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(EOFError):
        beside._told(lowered("onnx", "float")[0].folder)
