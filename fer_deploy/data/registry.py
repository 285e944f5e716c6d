"""Every dataset by its name: which split plays which role, and that its labels are the contract's."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fer_deploy.contract import InputSpec
from fer_deploy.data.account import also_in
from fer_deploy.data.faces import Faces, data_root
from fer_deploy.data.fer2013 import FER2013_5_LABELS, FER2013_LABELS, FILE_NAME, Split, load_fer2013
from fer_deploy.data.ferplus import FERPLUS_LABELS, Protocol
from fer_deploy.data.image_folder import class_folders, load_image_folder
from fer_deploy.data.rafdb import RAFDB5_LABELS, RAFDB_LABELS, load_rafdb
from fer_deploy.data.sample import sample_faces
from fer_deploy.errors import DataError
from fer_deploy.frozen import Frozen
from fer_deploy.progress import say

Role = Literal["train", "validation", "test"]
#: One image in so many, per class, is held out of a training split that comes without a validation split.
HOLD_OUT_ONE_IN = 10
#: Chooses which images are held out; another value would make validation figures incomparable.
HOLD_OUT_SEED = 0
#: FER2013's name of the split that plays a role.
FER_SPLITS: dict[Role, Split] = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}


class DatasetSpec(Frozen):
    """Where the images come from.

    ``path`` is, by kind: ferplus, fer2013 and fer2013_5 (without fear and disgust), the npz or its folder (default
    ``FER_DATA``'s); rafdb and rafdb5, the folder that holds ``EmoLabel`` and ``Image``; folder, the one that holds
    ``train``, ``test`` and, if wanted, ``validation``, each with one sub-folder of images per class. sample: none;
    faces drawn by code (:mod:`fer_deploy.data.sample`).
    """

    kind: Literal["ferplus", "fer2013", "fer2013_5", "rafdb", "rafdb5", "folder", "sample"] = "ferplus"
    path: Path | None = Field(default=None, description="the file or folder; default FER_DATA's npz")
    protocol: Protocol | None = Field(
        default=None, description="which images of ferplus count, and with which label; default plurality"
    )

    @model_validator(mode="after")
    def _has_votes(self) -> DatasetSpec:
        if self.protocol is not None and self.kind != "ferplus":
            raise ValueError(
                f"protocol = '{self.protocol}' chooses images by FER+'s votes, and kind = '{self.kind}' has none; "
                "leave it out"
            )
        return self


def at_hand(spec: DatasetSpec) -> DatasetSpec:
    """Return the dataset that is used: what is named, else FER+ where it is, else drawn faces, and that is said.

    For what is done with a model that is there; training names its data.
    """
    if spec.model_fields_set:
        return spec
    try:
        file = data_root() / FILE_NAME
        reason = None if file.is_file() else f"{file} does not exist"
    except DataError as error:
        reason = str(error)
    if reason is None:
        return spec
    say(
        f"warning: {reason}; faces drawn by code take its place: accuracy on people is not measured. Get FER+ and "
        "`fer-deploy data import` it, or name your own images in [data]"
    )
    return DatasetSpec(kind="sample")


def labels_of(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the dataset's class names in the order of its targets.

    For kind "folder" these are the sorted names of the sub-folders of ``path/train``.

    Raises:
        DataError: kind "folder" without a path, or without class folders in ``path/train``.
    """
    match spec.kind:
        case "ferplus" | "sample":
            return FERPLUS_LABELS
        case "fer2013":
            return FER2013_LABELS
        case "fer2013_5":
            return FER2013_5_LABELS
        case "rafdb":
            return RAFDB_LABELS
        case "rafdb5":
            return RAFDB5_LABELS
        case "folder":
            return class_folders(_required_path(spec) / "train")


def open_dataset(
    spec: DatasetSpec, role: Role, contract_labels: tuple[str, ...] | None, input_spec: InputSpec
) -> Faces:
    """Return the split of a dataset that plays ``role``, preprocessed for ``input_spec``.

    FER+ and FER2013: Training (without the twins of test images), PublicTest, PrivateTest. RAF-DB, and a
    folder without ``validation``: :func:`held_out` of the training split is the validation split, and the
    rest is for training. Test and validation images that are in the training split too are marked ``leaked``,
    for which that split is read as well; where it cannot be read, ``training_unknown`` says why.

    Args:
        spec: the dataset.
        role: what the faces are for.
        contract_labels: the labels of the model that is to be scored or trained, which the dataset's must
            equal in name and order; None to take the dataset's. A folder's classes have no order of their
            own and take this one, and drawn faces whatever is asked for.
        input_spec: how the pixels are wanted.

    Raises:
        DataError: the labels are not the contract's, or the dataset is missing or malformed.
    """
    own_order = spec.kind in ("folder", "sample")
    labels = contract_labels if own_order and contract_labels else labels_of(spec)
    if contract_labels is not None and labels != contract_labels:
        raise DataError(
            f"dataset '{spec.kind}' has the labels {list(labels)} "
            f"but the contract has {list(contract_labels)}; "
            "choose a dataset whose labels have the same names in the same order"
        )
    match spec.kind:
        case "ferplus" | "fer2013" | "fer2013_5":
            return load_fer2013(FER_SPLITS[role], input_spec, spec.kind, npz_of(spec.path), spec.protocol)
        case "rafdb" | "rafdb5":
            root, classes = _required_path(spec), _rafdb_classes(spec)
            if role != "test":
                return _part(load_rafdb(root, "train", input_spec, classes), role)
            faces = load_rafdb(root, "test", input_spec, classes)
            return _held_to_training(faces, lambda: load_rafdb(root, "train", input_spec, classes))
        case "sample":
            if spec.path is not None:
                raise DataError(f"dataset 'sample' is drawn by code and takes no path, got {spec.path}")
            return sample_faces(role, labels, input_spec)
        case "folder":
            root = _required_path(spec)
            if role != "test" and not (root / "validation").is_dir():
                return _part(load_image_folder(root / "train", input_spec, labels), role)
            faces = load_image_folder(root / role, input_spec, labels)
            if role == "train":
                return _of_training(faces)
            return _held_to_training(faces, lambda: load_image_folder(root / "train", input_spec, labels))


def _held_to_training(faces: Faces, load: Callable[[], Faces]) -> Faces:
    """Return ``faces`` with those marked that are in the training split too, or with why that is not known."""
    try:
        training = load()
    except DataError as error:
        # a test set is judged without its training split as well, but not called free of it
        return dataclasses.replace(faces, training_unknown=str(error))
    return dataclasses.replace(faces, leaked=also_in(faces, training), training_unknown=None)


def _of_training(faces: Faces) -> Faces:
    """Return training images, none of which is leaked: it is said of images that test or validate."""
    return dataclasses.replace(faces, leaked=np.zeros(len(faces), dtype=bool), training_unknown=None)


def held_out(faces: Faces) -> NDArray[np.bool_]:
    """Return bool (N,): which faces of a training split are for validation instead.

    A tenth of each class, rounded half up: at least one image of a class that has two, none of a class
    that has one. Which ones depends on ``rows`` only, so the 5-class subset of RAF-DB holds out the same
    images as the 7 classes do.
    """
    mask = np.zeros(len(faces), dtype=bool)
    for target in range(len(faces.labels)):
        members = np.flatnonzero(faces.targets == target)
        share = int(len(members) / HOLD_OUT_ONE_IN + 0.5)
        wanted = max(1, share) if len(members) > 1 else 0
        ranked = sorted(members, key=lambda index: _draw(int(faces.rows[index])))
        mask[ranked[:wanted]] = True
    return mask


def _draw(row: int) -> bytes:
    # A hash, because the streams of NumPy's generators may change from release to release.
    return hashlib.sha256(f"{HOLD_OUT_SEED}:{row}".encode()).digest()


def _part(faces: Faces, role: Role) -> Faces:
    mask = held_out(faces)
    if not mask.any():
        raise DataError(
            f"{faces.name} has no class with two images, so none can be held out for validation; add images"
        )
    training = _of_training(faces.subset(~mask, f"{faces.name} without the held-out tenth"))
    out = int(mask.sum())
    if role == "train":
        return dataclasses.replace(
            training, passed_over={**faces.passed_over, "held out for validation": out}
        )
    held = faces.subset(mask, f"{faces.name}, held-out tenth")
    over = {**faces.passed_over, "left for training": len(faces) - out}
    return _held_to_training(dataclasses.replace(held, passed_over=over), lambda: training)


def _rafdb_classes(spec: DatasetSpec) -> Literal[7, 5]:
    return 5 if spec.kind == "rafdb5" else 7


def npz_of(path: Path | None) -> Path | None:
    """Return the npz that a path or the folder around it names; None for ``FER_DATA``'s."""
    return path / FILE_NAME if path is not None and path.is_dir() else path


def _required_path(spec: DatasetSpec) -> Path:
    if spec.path is None:
        raise DataError(
            f"dataset '{spec.kind}' needs a path; set it to the folder that DatasetSpec describes"
        )
    return spec.path
