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
    answers = [*zip(committed.pop("answers"), wanted.pop("answers"), strict=True)]
    assert committed == wanted, why
    for one, other in answers:
        figures = [[*row.pop("probabilities"), row.pop("no_face_probability") or 0.0] for row in (one, other)]
        assert figures[0] == pytest.approx(figures[1], rel=0, abs=1e-12), why
        assert one == other, why


def test_answers_cover_labels_unsure_and_no_face() -> None:
    rows = json.loads(make_vectors.COMMITTED.read_text())["answers"]
    assert all((row["answer"] is None) == (row["why"] is not None) for row in rows)
    assert all((row["no_face"] is None) == (row["no_face_probability"] is None) for row in rows)
    kinds = {(row["no_face"] is not None, row["why"]) for row in rows}
    # What each language has to tell apart, with a rule for "no face" and without.
    assert kinds == {(False, None), (False, "unsure"), (True, None), (True, "unsure"), (True, "no face")}
    assert {row["temperature"] < 1 for row in rows} == {True, False}
    none = [row for row in rows if row["why"] == "no face"]
    # "No face" goes before "unsure".
    assert {max(row["probabilities"]) < row["unsure_below"] for row in none} == {True, False}
    # A probability that is high, and still not above what the rule asks.
    assert any(0.5 < row["no_face_probability"] <= row["no_face"]["above"] for row in rows if row["no_face"])


def test_answers_cover_logits_whose_exponentials_no_double_holds() -> None:
    rows = [row for row in json.loads(make_vectors.COMMITTED.read_text())["answers"] if row["no_face"]]
    assert any(max(row["logits"]) > 900 and row["why"] is None for row in rows)
    assert any(min(row["logits"]) > 900 and row["why"] == "no face" for row in rows)
    assert any(max(row["logits"]) < -900 for row in rows)
    assert {row["no_face_probability"] > 1 - 1e-12 for row in rows} == {True, False}


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
    assert set(document) == {"vectors", "widened", "answers", "quantiles"}
