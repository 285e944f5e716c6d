from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch.nn.functional import softmax

from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.errors import ModelError, TrainingError
from fer_deploy.model import Architecture, Model, load_model, save_model
from fer_deploy.train.loop import Trainer
from fer_deploy.train.losses import divergence
from fer_deploy.train.recipe import TeacherSpec, TrainRecipe, load_recipe
from fer_deploy.train.teachers import Teachers, warm_start
from fixtures.synthetic import LABELS, TINY, contract_for, input_spec, separable_faces, tiny_recipe

CPU = torch.device("cpu")


def pixels(count: int = 6) -> torch.Tensor:
    return torch.from_numpy(separable_faces(count, 5).pixels).float()


def other_model(folder: Path, seed: int = 1, labels: tuple[str, ...] = LABELS, size: int = 24) -> Path:
    torch.manual_seed(seed)
    architecture = TINY
    spec = input_spec(size)
    save_model(folder, architecture.build(len(labels), 1), architecture, contract_for(spec, labels), {})
    return folder


def test_one_teacher_answers_as_the_model(model_folder: Path, trained_model: Model) -> None:
    spec = TeacherSpec(models=(model_folder,), temperature=3.0)
    answers = Teachers(spec, LABELS, input_spec(), CPU).probabilities(pixels())
    with torch.no_grad():
        expected = softmax(trained_model.network((pixels() - 128) / 64) / 3.0, dim=1)
    assert torch.allclose(answers, expected, atol=1e-6)


def test_an_ensemble_answers_the_mean(model_folder: Path, tmp_path: Path) -> None:
    other = other_model(tmp_path / "other")
    single = [
        Teachers(TeacherSpec(models=(one,)), LABELS, input_spec(), CPU).probabilities(pixels())
        for one in (model_folder, other)
    ]
    both = Teachers(TeacherSpec(models=(model_folder, other)), LABELS, input_spec(), CPU)
    assert torch.allclose(both.probabilities(pixels()), (single[0] + single[1]) / 2, atol=1e-6)
    assert not torch.allclose(single[0], single[1], atol=1e-2)


@pytest.mark.parametrize(("labels", "size"), [(("a", "b", "c", "d"), 24), (LABELS[:3], 24), (LABELS, 32)])
def test_a_teacher_of_something_else_is_refused(tmp_path: Path, labels: tuple[str, ...], size: int) -> None:
    folder = other_model(tmp_path / "other", labels=labels, size=size)
    with pytest.raises(TrainingError, match="needs the student's labels and input"):
        Teachers(TeacherSpec(models=(folder,)), LABELS, input_spec(), CPU)


def test_a_teacher_asked_once_answers_for_the_image_and_its_mirror_image(
    model_folder: Path, tmp_path: Path
) -> None:
    teachers = Teachers(TeacherSpec(models=(model_folder,)), LABELS, input_spec(), CPU)
    faces = torch.from_numpy(separable_faces(300, 5).pixels)
    once = teachers.asked_once(faces, True, tmp_path / "answers")
    both = (teachers.probabilities(faces.float()) + teachers.probabilities(faces.flip(3).float())) / 2
    assert once.shape == (300, 4)
    straight = teachers.asked_once(faces, False, tmp_path / "straight")
    assert torch.allclose(straight, teachers.probabilities(faces.float()), atol=1e-6)
    assert torch.allclose(once, both, atol=1e-6)
    assert torch.allclose(once, teachers.asked_once(faces.flip(3), True, tmp_path / "mirrored"), atol=1e-6)


def test_answers_are_kept_for_the_same_teachers_and_images_only(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, file = torch.from_numpy(separable_faces(60, 5).pixels), tmp_path / "answers"
    spec = TeacherSpec(models=(model_folder,))
    answers = Teachers(spec, LABELS, input_spec(), CPU).asked_once(faces, True, file)
    with monkeypatch.context() as patched:
        patched.setattr(Teachers, "probabilities", lambda *_: pytest.fail("asked again"))
        assert torch.equal(Teachers(spec, LABELS, input_spec(), CPU).asked_once(faces, True, file), answers)
    others = Teachers(
        TeacherSpec(models=(other_model(tmp_path / "other"),)), LABELS, input_spec(), CPU
    ).asked_once(faces, True, file)
    assert not torch.allclose(others, answers, atol=1e-2)
    fewer = Teachers(spec, LABELS, input_spec(), CPU).asked_once(faces[:30], True, file)
    assert torch.allclose(fewer, answers[:30], atol=1e-6)


@pytest.mark.parametrize("damage", [b"", b"not safetensors", None], ids=["empty", "other", "cut off"])
def test_damaged_answers_are_asked_for_again(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    faces, file = torch.from_numpy(separable_faces(60, 5).pixels), tmp_path / "answers"
    teachers = Teachers(TeacherSpec(models=(model_folder,)), LABELS, input_spec(), CPU)
    answers = teachers.asked_once(faces, True, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] if damage is None else damage)
    assert torch.equal(teachers.asked_once(faces, True, file), answers)
    assert "asking the teachers again" in capsys.readouterr().err
    assert file.read_bytes() == whole


def test_divergence_is_zero_for_the_same_answer_only() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    same = divergence(logits, softmax(logits / 2, dim=1), 2.0)
    assert float(same) == pytest.approx(0.0, abs=1e-6)
    assert float(divergence(logits, softmax(-logits / 2, dim=1), 2.0)) > 0.1


def blind(count: int, seed: int) -> Faces:
    """Faces whose labels say nothing: all classes alike."""
    faces = separable_faces(count, seed)
    return Faces(
        name="blind",
        labels=faces.labels,
        pixels=faces.pixels,
        targets=faces.targets,
        distribution=one_hot(faces.targets, 4) * 0 + 0.25,
        rows=faces.rows,
        leaked=faces.leaked,
    )


def taught(model_folder: Path, asked: Literal["always", "once"] = "always", **changed: object) -> TrainRecipe:
    teacher = TeacherSpec(models=(model_folder,), weight=1.0, asked=asked)
    return tiny_recipe(epochs=6, batch_size=16, teacher=teacher, **changed)


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The accuracy of a student that has the blind labels alone."""
    alone = tiny_recipe(epochs=6, batch_size=16)
    folder = tmp_path_factory.mktemp("alone")
    return Trainer(alone, blind(160, 0), separable_faces(80, 1), folder).run().best_accuracy


@pytest.mark.parametrize("mixed", [0.0, 0.2])
@pytest.mark.parametrize("asked", ["always", "once"])
def test_a_student_learns_from_answers_alone(
    model_folder: Path, tmp_path: Path, untaught: float, asked: Literal["always", "once"], mixed: float
) -> None:
    recipe = taught(model_folder, asked, mixup=mixed)
    trained = Trainer(recipe, blind(160, 0), separable_faces(80, 1), tmp_path).run()
    assert trained.best_accuracy > 0.8 > untaught


def test_a_run_does_not_go_on_with_another_teacher(tmp_path: Path) -> None:
    folder = other_model(tmp_path / "teacher")
    recipe = tiny_recipe(epochs=1, teacher=TeacherSpec(models=(folder,)))
    faces = separable_faces(64, 0), separable_faces(40, 1)
    Trainer(recipe, *faces, tmp_path / "run").run()
    Trainer(recipe, *faces, tmp_path / "run").run()  # the same one may
    other_model(folder, seed=2)
    with pytest.raises(TrainingError, match="was trained with other teachers"):
        Trainer(recipe, *faces, tmp_path / "run").run()


def test_warm_start_copies_everything(model_folder: Path, trained_model: Model) -> None:
    recipe = tiny_recipe(init=model_folder)
    network = recipe.architecture.build(4, 1)
    assert warm_start(network, recipe, LABELS) == ()
    mine, theirs = network.state_dict(), trained_model.network.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("labels", [("a", "b"), tuple(reversed(LABELS))])
def test_warm_start_leaves_the_classifier_of_other_labels(
    model_folder: Path, trained_model: Model, labels: tuple[str, ...]
) -> None:
    recipe = tiny_recipe(init=model_folder)
    network = recipe.architecture.build(len(labels), 1)
    before = network.state_dict()["classifier.weight"].clone()
    assert warm_start(network, recipe, labels) == ("classifier.weight", "classifier.bias")
    after = network.state_dict()
    assert torch.equal(after["classifier.weight"], before)
    assert torch.equal(after["stem.0.weight"], trained_model.network.state_dict()["stem.0.weight"])


def test_warm_start_refuses_another_architecture(model_folder: Path) -> None:
    recipe = tiny_recipe(init=model_folder, architecture=Architecture(name="fer_s"))
    with pytest.raises(TrainingError, match="is not a fer_s for grey input") as caught:
        warm_start(recipe.architecture.build(4, 1), recipe, LABELS)
    assert "\n" not in str(caught.value)


def test_warm_start_from_nothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(init=tmp_path / "none")
    with pytest.raises(ModelError):
        warm_start(recipe.architecture.build(4, 1), recipe, LABELS)


def test_warm_started_run_begins_where_the_model_is(model_folder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1, learning_rate=1e-6, ema_decay=0.0, init=model_folder)
    trained = Trainer(recipe, separable_faces(64, 0), separable_faces(80, 1), tmp_path).run()
    assert trained.best_accuracy > 0.9


def test_paths_of_a_recipe_are_relative_to_it(tmp_path: Path) -> None:
    other_model(tmp_path / "teacher")
    path = tmp_path / "net" / "train.toml"
    path.parent.mkdir()
    path.write_text(
        'init = "../start"\n[architecture]\nname = "fer_xs"\n[teacher]\nmodels = ["../teacher"]\n'
        '[data]\nkind = "folder"\npath = "../faces"\n'
        '[input]\nheight = 48\nwidth = 48\ncolor = "grey"\nmean = [128.0]\nstd = [64.0]\n'
    )
    recipe = load_recipe(path)
    assert recipe.teacher is not None
    assert load_model(recipe.teacher.models[0]).contract.labels == LABELS
    assert (recipe.init, recipe.data.path) == (path.parent / "../start", path.parent / "../faces")
    assert load_recipe(path, Path("elsewhere")).data.path == Path("elsewhere")
