"""The data set that everybody has: the same faces everywhere, in any contract's form, with no word of accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.faces import DATA_VARIABLE
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.registry import DatasetSpec, at_hand, open_dataset
from fer_deploy.data.sample import COUNTS, sample_faces
from fer_deploy.errors import DataError
from fixtures.synthetic import input_spec


def test_the_same_on_every_call_and_other_faces_in_every_split() -> None:
    spec = input_spec(24)
    first, again = (sample_faces("test", FERPLUS_LABELS, spec) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (len(first), first.drawn, first.training_unknown) == (COUNTS["test"], True, None)
    training = sample_faces("train", FERPLUS_LABELS, spec)
    assert not {face.tobytes() for face in first.pixels} & {face.tobytes() for face in training.pixels}
    assert np.bincount(first.targets).tolist() == [COUNTS["test"] // 8] * 8


def test_any_contract_gets_its_form() -> None:
    faces = sample_faces("validation", ("sad", "Happy", "open mouth"), input_spec(31, "rgb"))
    assert faces.pixels.shape == (COUNTS["validation"], 3, 31, 31)
    assert faces.labels == ("sad", "Happy", "open mouth")
    assert len(np.unique(faces.pixels.reshape(len(faces), -1), axis=0)) == len(faces)


def test_it_takes_no_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes no path"):
        open_dataset(DatasetSpec(kind="sample", path=tmp_path), "test", None, input_spec())


class TestAtHand:
    def test_without_data_it_is_drawn_and_that_is_said(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for root, reason in (
            (tmp_path / "nowhere", "is not a folder"),
            (tmp_path, "fer2013_ferplus_48.npz does not exist"),
        ):
            monkeypatch.setenv(DATA_VARIABLE, str(root))
            assert at_hand(DatasetSpec()).kind == "sample"
            said = " ".join(capsys.readouterr().err.split())
            assert reason in said
            assert "accuracy on people is not measured" in said
            assert "`fer-deploy data import`" in said

    def test_what_is_named_or_there_is_kept(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
        for named in (DatasetSpec(kind="ferplus"), DatasetSpec(path=tmp_path / "x.npz")):
            assert at_hand(named) == named
        (tmp_path / "fer2013_ferplus_48.npz").write_bytes(b"")
        assert at_hand(DatasetSpec()) == DatasetSpec()
