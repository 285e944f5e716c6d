"""The committed vectors are what the reference gives, and they cover what apps get wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from apps import make_artifact, make_vectors
from fer_deploy.targets.artifact import open_artifact


def test_committed_vectors_are_the_reference_s() -> None:
    why = "run python tests/apps/make_vectors.py"
    committed = json.loads(make_vectors.COMMITTED.read_text())
    wanted = json.loads(make_vectors.text(make_vectors.document()))
    # numpy's exp differs in its last bit between AVX-512 and AVX2; the apps are held to the same 1e-12.
    softmaxes = [*zip(committed.pop("softmax"), wanted.pop("softmax"), strict=True)]
    assert committed == wanted, why
    # Answers and "unsure", at temperatures below and above 1: what each language has to tell apart.
    assert {one["answer"] is None for one, _ in softmaxes} == {True, False}
    assert {one["temperature"] < 1 for one, _ in softmaxes} == {True, False}
    for one, other in softmaxes:
        for key in ("logits", "temperature", "unsure_below", "answer"):
            assert one[key] == other[key], why
        assert one["probabilities"] == pytest.approx(other["probabilities"], rel=0, abs=1e-12), why


def test_committed_file_is_one_vector_a_line() -> None:
    written = make_vectors.COMMITTED.read_text()
    assert written == make_vectors.text(json.loads(written)), "run python tests/apps/make_vectors.py"


def test_vectors_cover_kernels_colours_turns_borders_and_both_scales() -> None:
    cases = make_vectors.cases(make_vectors.SEED, make_vectors.COUNT)
    assert len(cases) >= 200
    for field, values in {
        "pattern": {"noise", "extremes", "waves"},
        "source": {"grey", "rgb"},
        "color": {"grey", "rgb"},
        "resize": {"bilinear", "bicubic"},
        "clockwise_quarter_turns": {0, 1, 2, 3},
    }.items():
        assert {getattr(case, field) for case in cases} == values
    pairs = {(case.color, case.resize, case.pattern) for case in cases}
    assert len(pairs) == 12
    assert {case.width > case.height for case in cases} == {True, False}
    assert any(case.width % 2 and case.height % 2 for case in cases)
    boxes = [case for case in cases if case.box is not None]
    assert sum(min(case.box[:2]) < 0 for case in boxes if case.box) > 20
    shrunk = {case.box[2] - case.box[0] > case.out_width for case in boxes if case.box}
    assert shrunk == {True, False}
    assert any(case.box is None for case in cases)


def test_pictures_are_the_documented_formula() -> None:
    case = make_vectors.cases(make_vectors.SEED, 1)[0]
    assert case.pattern == "noise"
    assert case.source == "grey"
    state, first = case.seed, []
    for _ in range(3):
        state ^= (state << 13) % 2**32
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        first.append(state >> 24)
    row = make_vectors.picture(case).reshape(-1, 3)[:3]
    assert np.array_equal(row, np.repeat(first, 3).reshape(3, 3))


def test_committed_artifact_is_what_fer_deploy_writes() -> None:
    for name, content in make_artifact.files().items():
        why = f"{name} is not what the schemas write now: run python tests/apps/make_artifact.py"
        assert (make_artifact.COMMITTED / name).read_bytes() == content, why
    assert open_artifact(make_artifact.COMMITTED).key == "onnx-float"


def test_vectors_are_plain_json() -> None:
    document = json.loads(make_vectors.COMMITTED.read_text())
    assert set(document) == {"vectors", "widened", "softmax", "quantiles"}
