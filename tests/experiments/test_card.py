"""Model cards: measured when they are written, honest about what is weak."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import ModelError
from fer_deploy.experiments import card as card_module
from fer_deploy.experiments.card import Card, confused_with, measure_card, render_card, weak_classes
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.model import load_model, save_model
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.report.wording import amount, describe, interval
from fer_deploy.views.markdown import escape
from fixtures.synthetic import TINY, contract_for, separable_faces, tiny_recipe

WriteNpz = Callable[..., Path]


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrates on few images and corrupts few: which ones is the command's matter, and takes long."""
    monkeypatch.setattr(card_module, "CORRUPTED_IMAGES", 20)
    monkeypatch.setattr(card_module, "QuantizeSection", partial(QuantizeSection, calibration_images=32))


@pytest.fixture
def one_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves ONNX alone: for what is no matter of the int8 artifacts."""
    monkeypatch.setattr(card_module, "default_target_names", lambda: ("onnx",))


def test_the_card_holds_the_measured_figures(
    model_folder: Path, faces_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "edges"))
    (folder / "train.toml").write_text("epochs = 6\n")
    cards: list[Card] = []

    def kept(folder: Path, dataset: DatasetSpec) -> Card:
        cards.append(measure_card(folder, dataset))
        return cards[-1]

    monkeypatch.setattr(card_module, "measure_card", kept)
    arguments = ["card", str(folder), "--dataset", "folder", "--data", str(faces_folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    text = (folder / "card.md").read_text(encoding="utf-8")
    (card,) = cards
    assert text == render_card(card)
    for split in (card.validation, card.test):
        assert describe(split.figures.accuracy) in text
    for one in card.test.figures.classes:
        assert describe(one.recall) in text
    assert {one.target for one in card.int8} == {"executorch", "onnx", "coreml"}
    for int8 in card.int8:
        assert f"| {int8.target} | {describe(int8.size)} | {describe(int8.accuracy.accuracy)} |" in text
        assert int8.target in result.output
        assert int8.parity.agreement.value == pytest.approx(1.0, abs=0.1)
        assert (int8.corrupted is None) == (int8.accuracy.accuracy.provenance == Provenance.EMULATED)
        assert int8.no_face is None
        if int8.corrupted is None:
            continue
        assert int8.corrupted.agreement is not None
        assert f"{amount(int8.corrupted.agreement)} {interval(int8.corrupted.agreement)}" in text
    for kind in card.corrupted.kinds:
        share = f"{amount(kind.accuracy)} {interval(kind.accuracy)}"
        assert f"| {escape(kind.kind)} | {kind.role} | {share} |" in text
    assert card.before is None
    assert "Other seeds" not in text
    assert "annotators agree" not in text  # a folder of images has no votes
    assert f"`fer-deploy card {folder} --dataset folder`" in text
    assert "epochs = 6" in text
    assert card.model.weights_sha256 in text
    assert "must not be used" in text


def test_a_card_says_how_pictures_without_a_face_are_told(
    model_folder: Path, faces_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One whose answers are measured and one whose answers are emulated.
    monkeypatch.setattr(card_module, "default_target_names", lambda: ("onnx", "coreml"))
    folder = Path(shutil.copytree(model_folder, tmp_path / "edges"))
    data = ["--dataset", "folder", "--data", str(faces_folder)]
    fitted = CliRunner().invoke(main, ["confidence", str(folder), *data])
    assert fitted.exit_code == 0, fitted.output
    card = measure_card(folder, DatasetSpec(kind="folder", path=faces_folder))
    text = render_card(card)
    rule = card.model.contract.no_face
    assert rule is not None
    assert {one.target for one in card.int8} == {"onnx", "coreml"}
    assert f"above\n{100 * rule.above:.1f} %" in text
    told = [card.no_face, *(one.no_face for one in card.int8)]
    for name, one in zip(("float", *(f"{int8.target} int8" for int8 in card.int8)), told, strict=True):
        assert one is not None
        assert one.auroc_voted.value is None, "nobody voted on these images"
        assert f"| {name} | not measured" in text
        assert f"| {describe(one.auroc_made)} | {describe(one.faces_kept)} |" in text


@pytest.mark.usefixtures("one_target")
def test_other_seeds_are_listed_and_averaged(model_folder: Path, faces_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "edges"))
    dataset = DatasetSpec(kind="folder", path=faces_folder)
    constant = load_model(folder)
    with torch.no_grad():
        constant.network.get_parameter("classifier.bias")[0] += 100.0
    architecture = TINY
    for name in ("seeds/1", "before"):
        save_model(folder / name, constant.network, architecture, constant.contract, {})
    card = measure_card(folder, dataset)
    (other,) = card.seeds
    assert other.test.accuracy.value == pytest.approx(0.25)
    assert card.test_over_seeds is not None
    assert card.test.figures.accuracy.value is not None
    assert card.test_over_seeds.value == pytest.approx((card.test.figures.accuracy.value + 0.25) / 2)
    text = render_card(card)
    assert f"| 1 | {describe(other.validation.accuracy)} | {describe(other.test.accuracy)} |" in text
    assert describe(card.test_over_seeds) in text
    # A model that always says the same class is right about a quarter of the faces, however spoilt.
    assert card.before is not None
    assert card.before.accuracy.value == pytest.approx(card.before.clean.value)
    assert (card.corrupted.clean.value or 0) > (card.before.clean.value or 1)
    assert "| no corruption | | " + f"{amount(card.before.clean)} {interval(card.before.clean)} |" in text


@pytest.mark.usefixtures("one_target")
def test_seeds_are_compared_where_most_annotators_agree_too(write_npz: WriteNpz, tmp_path: Path) -> None:
    # In each split of 40 every class is the most-voted one of five images; neutral and happiness have one each on
    # which the annotators are divided, four votes to three and three.
    rows = np.arange(120)
    votes = np.zeros((120, 10), np.int16)
    votes[rows, rows % 8] = 10
    divided = (rows % 40) < 2
    votes[divided] = 0
    votes[divided, rows[divided] % 8] = 4
    votes[divided, 3] = votes[divided, 4] = 3
    # Images of many greys, and logits of unit spread: a network that int8 can tell from a constant.
    draw = np.random.default_rng(0).integers(0, 40, (120, 48, 48))
    greys = (draw + (rows * 7 % 210)[:, None, None]).astype(np.uint8)
    data = write_npz(tmp_path / "faces.npz", 120, ferplus_votes=votes, images=greys)
    spec = tiny_recipe().input
    seen = torch.from_numpy(greys[:, None, ::2, ::2].astype(np.float32))

    folder = tmp_path / "stubborn"
    architecture = TINY
    labels = FERPLUS_LABELS
    for name, always in ((".", "neutral"), ("seeds/1", "disgust")):
        network = architecture.build(len(labels), 1)
        with torch.no_grad():
            features = (seen - spec.mean[0]) / spec.std[0]
            network.eval()
            weight, bias = (network.get_parameter(f"classifier.{name}") for name in ("weight", "bias"))
            weight.div_(network(features).std(0).mean())
            bias.sub_(network(features).mean(0))
            bias[labels.index(always)] += 20.0
        save_model(folder / name, network, architecture, contract_for(spec, labels), {})
    card = measure_card(folder, DatasetSpec(kind="ferplus", path=data))
    assert card.test.figures.accuracy.value == pytest.approx(5 / 40)
    assert card.test_over_seeds is not None
    assert card.agreed_over_seeds is not None
    assert card.test_over_seeds.value == pytest.approx(5 / 40)
    assert card.agreed_over_seeds.value == pytest.approx((4 / 38 + 5 / 38) / 2)
    text = render_card(card)
    (other,) = card.seeds
    assert other.test.accuracy_where_agreed is not None
    row = (other.validation.accuracy, other.test.accuracy, other.test.accuracy_where_agreed)
    assert f"| 1 | {' | '.join(describe(one) for one in row)} |" in text
    assert f"where most annotators agree {describe(card.agreed_over_seeds)}; intervals" in text


def test_weak_classes_are_named_with_what_they_are_taken_for() -> None:
    faces = separable_faces(80, 0)
    logits = np.eye(4, dtype=np.float32)[faces.targets]
    lost = np.flatnonzero(faces.targets == 2)[:15]
    logits[lost] = np.eye(4, dtype=np.float32)[3]
    figures = accuracy_figures(logits, faces)
    assert [one.label for one in weak_classes(figures)] == ["top"]
    assert confused_with(figures, "top") == "bottom"


def test_a_card_needs_a_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none"):
        measure_card(tmp_path / "net.pt2", DatasetSpec())
