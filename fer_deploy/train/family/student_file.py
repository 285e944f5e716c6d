"""A trained student as a file: all of its logits and how it came about; one label set of it opens as a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import safetensors
import torch
from pydantic import Field, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from fer_deploy.contract import Contract, InputSpec, TrainedOn
from fer_deploy.data.fer2013 import FER2013_5_LABELS, FER2013_LABELS
from fer_deploy.data.fer2013_pairs import NO_FACE
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.errors import ModelError, TrainingError, first_line
from fer_deploy.files import sha256_of, write_atomic
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.model import Architecture, save_model
from fer_deploy.model.folder import load_state, read_state
from fer_deploy.train.family.recipe import FamilyRecipe, load_family_recipe
from fer_deploy.train.family.scores import FER2013, FERPLUS
from fer_deploy.zoo import build

Head = Literal["ferplus", "fer2013", "fer2013_5"]
#: The one entry of the file's metadata: safetensors keeps no order between several.
_ENTRY = "fer_deploy.student"
_CLASSIFIER = ("classifier.weight", "classifier.bias")


@dataclass(frozen=True)
class _LabelSet:
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    dataset: str
    beside: str


def _rows(part: slice) -> tuple[int, ...]:
    return tuple(range(part.start, part.stop))


_HEADS: Mapping[Head, _LabelSet] = MappingProxyType(
    {
        "ferplus": _LabelSet(_rows(FERPLUS), FERPLUS_LABELS, "FER+", "FER2013"),
        "fer2013": _LabelSet(_rows(FER2013), FER2013_LABELS, "FER2013", "FER+"),
        "fer2013_5": _LabelSet(
            tuple(FER2013.start + FER2013_LABELS.index(label) for label in FER2013_5_LABELS),
            FER2013_5_LABELS,
            "FER2013",
            "FER+",
        ),
    }
)


class StudentInfo(Frozen):
    """How a student came about; stands in its file as JSON."""

    architecture: str = Field(description="name of the zoo")
    seed: int = Field(ge=0)
    epochs: float = Field(gt=0)
    recipe_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="see :func:`recipe_digest`")
    start_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="of the student's file that it went on from"
    )
    note: str = Field(default="", description="where it comes from, if not from this project's train-family")
    input: InputSpec
    public_test: dict[str, float] = Field(description="accuracies, 0..1, at the end of the run")


class SplitFrom(Frozen):
    """Which label set of which student a model folder holds; stands in it as ``student.json``."""

    file: str = Field(description="the student's file, as it was named")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of that file")
    head: Head
    student: StudentInfo


#: How many folders above a student's a run keeps its recipe: RUN/students/, or RECIPES/RUN/students/.
_FOLDERS_ABOVE = 2
#: Files of a model folder that say how a family's student in it was trained: where it comes from, and the recipe.
SPLIT_FILE, FAMILY_RECIPE_FILE = "student.json", "train-family.toml"


def recipe_digest(recipe: FamilyRecipe) -> str:
    """Return the SHA-256 of a recipe's values, whatever its file's layout, comments and place.

    Files that it names are left out: their paths say where they lie on one machine, not what they hold.
    """
    values = recipe.model_dump(mode="json", exclude={"teachers": {"answers"}, "students": {"start"}})
    if not recipe.students.keep:
        # As it was before there was this choice: digests of earlier runs stay what they are.
        del values["students"]["keep"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_students(
    weights: Mapping[str, Tensor],
    recipe: FamilyRecipe,
    epochs: float,
    scores: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> list[Path]:
    """Write each student of a run to ``folder/ARCHITECTURE-SEED.safetensors``; return the files.

    Args:
        weights: by ARCHITECTURE/SEED|PARAMETER.
        recipe: of the run.
        epochs: that the run took.
        scores: on PublicTest, by ARCHITECTURE/SEED.
        folder: is made where it is missing.

    Raises:
        OutputError: a file cannot be written.
    """
    files = []
    for name, found in scores.items():
        architecture, _, seed = name.partition("/")
        info = StudentInfo(
            architecture=architecture,
            seed=int(seed),
            epochs=round(epochs, 2),
            recipe_sha256=recipe_digest(recipe),
            start_sha256=_start_digest(recipe, architecture, int(seed)),
            input=recipe.input,
            public_test=dict(found),
        )
        state = {key.split("|")[1]: value for key, value in weights.items() if key.startswith(f"{name}|")}
        files.append(student_path(folder, architecture, seed))
        write_atomic(files[-1], save(state, {_ENTRY: json.dumps(info.model_dump(mode="json"))}))
    return files


def student_path(folder: Path, architecture: str, seed: int | str) -> Path:
    """Return where a student lies in a folder of students."""
    return folder / f"{architecture}-{seed}.safetensors"


def _start_digest(recipe: FamilyRecipe, architecture: str, seed: int) -> str | None:
    folder = recipe.students.start
    return None if folder is None else sha256_of(student_path(folder, architecture, seed))


def go_on_from(network: nn.Module, file: Path, architecture: str) -> int:
    """Copy a student's weights into ``network`` and return how many logits it has.

    Where it has no row for "no face", that row stays as drawn.

    Raises:
        ModelError: see :func:`read_student`; or it is another architecture.
    """
    info, state = read_student(file)
    if info.architecture != architecture:
        raise ModelError(f"student {file} is a {info.architecture}, not a {architecture}")
    mine = network.state_dict()
    rows = len(state["classifier.bias"])
    for name in _CLASSIFIER:
        state[name] = torch.cat([state[name], mine[name][rows:]])
    load_state(network, state, file)
    return rows


def read_student(file: Path) -> tuple[StudentInfo, dict[str, Tensor]]:
    """Return what a student's file says of it, and its weights.

    Raises:
        ModelError: the file is missing, damaged or no student's.
    """
    if not file.is_file():
        raise ModelError(f"student {file} does not exist")
    try:
        with safetensors.safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"student {file} cannot be read: {first_line(error)}") from None
    if _ENTRY not in metadata:
        raise ModelError(f"{file} is no student of train-family: its metadata lack {_ENTRY}")
    try:
        info = StudentInfo.model_validate_json(metadata[_ENTRY])
    except ValidationError as error:
        raise ModelError(f"student {file} is not valid: {first_problem(error)}") from None
    state = read_state(file)
    for name in _CLASSIFIER:
        if name not in state or len(state[name]) not in (NO_FACE, NO_FACE + 1):
            raise ModelError(f"student {file} has no {name} of {NO_FACE} or {NO_FACE + 1} rows")
    return info, state


def load_student(file: Path) -> tuple[StudentInfo, nn.Module]:
    """Return what a student's file says of it, and the network of all its logits, in evaluation mode.

    Logits 0..7 are FER+'s, 8..14 FER2013's, and 15 is "no face" where the student has that answer.

    Raises:
        ModelError: see :func:`read_student`; or the weights do not fit the architecture.
    """
    info, state = read_student(file)
    network = build(info.architecture, len(state["classifier.bias"]), info.input.channels)
    load_state(network, state, file)
    return info, network.eval()


def split_student(file: Path, head: Head, output: Path) -> Contract:
    """Write one label set of a student as the zoo folder ``output``; return its contract.

    Every layer is the student's; the classifier keeps the rows of ``head`` alone. ``student.json`` says where the model
    comes from; the recipe lies beside it as ``train-family.toml`` if a TOML file in one of the two folders above the
    student's is the one that the student was trained with.

    Raises:
        ModelError: see :func:`load_student`.
        OutputError: the folder cannot be written.
    """
    info, state = read_student(file)
    one = _HEADS[head]
    network = build(info.architecture, len(one.labels), info.input.channels)
    load_state(network, state | {name: state[name][list(one.rows)] for name in _CLASSIFIER}, file)
    corrupted = ", partly on corrupted images" if len(state["classifier.bias"]) > NO_FACE else ""
    contract = Contract(
        labels=one.labels,
        input=info.input,
        trained_on=TrainedOn(
            dataset=one.dataset,
            split=f"{one.dataset} Training",
            note=f"with {one.beside} beside it, taught by an ensemble{corrupted}; "
            f"seed {info.seed}, the last epoch",
        ),
    )
    origin = SplitFrom(file=file.as_posix(), sha256=sha256_of(file), head=head, student=info)
    extra = {SPLIT_FILE: (origin.model_dump_json(indent=2) + "\n").encode()}
    above = file.absolute().parents
    recipe = _recipe_of(info, above[1 : 1 + _FOLDERS_ABOVE])
    if recipe is not None:
        extra[FAMILY_RECIPE_FILE] = recipe.read_bytes()
    save_model(output, network.eval(), Architecture(name=info.architecture), contract, extra)
    return contract


def _recipe_of(info: StudentInfo, folders: Sequence[Path]) -> Path | None:
    for path in (path for folder in folders for path in sorted(folder.glob("*.toml"))):
        try:
            if recipe_digest(load_family_recipe(path)) == info.recipe_sha256:
                return path
        except TrainingError:
            continue
    return None


def read_split(folder: Path) -> SplitFrom | None:
    """Return where the model in ``folder`` comes from; None where it is no label set of a student.

    Raises:
        ModelError: ``student.json`` is damaged.
    """
    file = folder / SPLIT_FILE
    if not file.is_file():
        return None
    try:
        return SplitFrom.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        said = first_problem(error) if isinstance(error, ValidationError) else first_line(error)
        raise ModelError(
            f"{file} is not valid: {said}; write it again with 'fer-deploy split-student'"
        ) from None
