"""What a Python caller gives: a model, an artifact or faces, as objects or by their paths."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import Contract
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.image_files import entries, image_files
from fer_deploy.data.image_folder import load_image_folder
from fer_deploy.data.preprocess import faces_from_files, stack_faces
from fer_deploy.data.registry import DatasetSpec, Role, open_dataset
from fer_deploy.errors import ArgumentError, DataError
from fer_deploy.files import as_path
from fer_deploy.measure.subject import Subject, open_subject, subject_of
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.progress import say
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import CalibrationSet
from fer_deploy.targets.artifact import Artifact

ModelLike: TypeAlias = "Model | str | os.PathLike[str]"
SubjectLike: TypeAlias = "Artifact | Model | str | os.PathLike[str]"
#: Faces, a folder of images, or uint8 (N, H, W), (N, C, H, W) or (N, H, W, 3).
FacesLike: TypeAlias = "Faces | NDArray[np.uint8] | str | os.PathLike[str]"

_UNKNOWN = "the images were given by themselves, without a training split"


def given_model(model: ModelLike) -> Model:
    """Return a model that was given, or loaded by its name.

    Raises:
        ArgumentError: it is something else.
        ModelError, ContractError: see :func:`fer_deploy.model.load_model`.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        return load_model(model)
    raise ArgumentError(
        "model is a Model, a zoo folder, a .pt2 or package.module:factory, got " + type(model).__name__
    )


def given_subject(subject: SubjectLike, what: str) -> Subject:
    """Return an artifact or a model that was given, or opened by its name; ``what`` names the argument.

    Raises:
        ArgumentError: it is something else.
        FerDeployError: see :func:`fer_deploy.measure.subject.open_subject`.
    """
    if isinstance(subject, Artifact | Model):
        return subject_of(subject)
    if isinstance(subject, str | os.PathLike):
        return open_subject(str(as_path(subject, what)))
    raise ArgumentError(f"{what} is a Model, an Artifact or the path of one, got {type(subject).__name__}")


def given_calibration(given: FacesLike, model: Model, section: QuantizeSection) -> CalibrationSet:
    """Return a calibration set drawn from faces that were given, as from a training split.

    Images without labels take the model's own answers for theirs: the draw is balanced over classes.

    Raises:
        ArgumentError: they are none of the forms of :data:`FacesLike`.
        DataError: they do not fit the model's contract, or the folder is missing or malformed.
        QuantizationError: all of them are of one class.
    """
    contract = model.contract
    if isinstance(given, Faces):
        faces = _fitting(given, contract)
    elif isinstance(given, np.ndarray):
        faces = _unlabelled(_pixels_of(given, contract), f"array of {len(given)} images", model)
    else:
        root = as_path(given, "calibration, unless it is a Faces or a uint8 array,")
        found = _labelled(root, contract, "train")
        faces = _files_of(root, model) if found is None else found
    return calibration_for(faces, section.calibration_images, section.seed)


def given_faces(given: Faces | str | os.PathLike[str], contract: Contract) -> Faces:
    """Return labelled faces that were given, for a model of this contract.

    Args:
        given: faces, or a folder with a sub-folder for each class, or with such a folder called ``test``.
        contract: what they have to fit.

    Raises:
        ArgumentError: it is something else.
        DataError: they do not fit the contract, or the folder is missing or malformed.
    """
    if isinstance(given, Faces):
        return _fitting(given, contract)
    if isinstance(given, np.ndarray):
        raise ArgumentError(
            "faces is a Faces or a folder with one sub-folder per class, got an array: its images have no labels"
        )
    root = as_path(given, "faces, unless it is a Faces,")
    found = _labelled(root, contract, "test")
    return load_image_folder(root, contract.input, contract.labels) if found is None else found


def _fitting(faces: Faces, contract: Contract) -> Faces:
    if faces.labels != contract.labels:
        raise DataError(
            f"{faces.name} has the labels {list(faces.labels)} and the model {list(contract.labels)}; "
            "give faces whose labels have the same names in the same order"
        )
    shape = contract.input.shape[1:]
    if faces.pixels.dtype != np.uint8 or faces.pixels.shape[1:] != shape:
        raise DataError(
            f"{faces.name} holds {faces.pixels.dtype} {list(faces.pixels.shape[1:])} and the model's contract wants "
            f"uint8 {list(shape)}; load the faces for this contract"
        )
    return faces


def _labelled(root: Path, contract: Contract, split: Role) -> Faces | None:
    """Return the faces of a folder whose sub-folders are classes, or splits of them; None if they are neither."""
    folders = {path.name for path, _ in entries(root) if path.is_dir()} if root.is_dir() else set()
    if folders & set(contract.labels):
        return load_image_folder(root, contract.input, contract.labels)
    if split in folders:
        return open_dataset(DatasetSpec(kind="folder", path=root), split, contract.labels, contract.input)
    return None


def _files_of(root: Path, model: Model) -> Faces:
    """Return the images at any depth of a folder."""
    if not root.is_dir():
        raise DataError(f"image folder {root} does not exist; give a folder of images, at best one per class")
    found = image_files(root)
    files = sorted(found.files)
    if not files:
        raise DataError(f"folder {root} holds no image; add some, e.g. PNG or JPEG files")
    pixels = faces_from_files(files, model.contract.input, f"reading {root}")
    over = {reason: count for reason, count in sorted(found.passed_over.items()) if count}
    return dataclasses.replace(_unlabelled(pixels, f"folder {root}", model), passed_over=over)


def _unlabelled(pixels: NDArray[np.uint8], name: str, model: Model) -> Faces:
    say(f"{name}: no labels, so the model's own answers stand in for them")
    labels = model.contract.labels
    logits = float_graph(model).logits(pixels, "labelling the calibration images")
    targets = logits.argmax(axis=1).astype(np.int64)
    return Faces(
        name=name,
        labels=labels,
        pixels=pixels,
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.arange(len(pixels), dtype=np.int64),
        leaked=np.zeros(len(pixels), dtype=bool),
        training_unknown=_UNKNOWN,
    )


def _pixels_of(array: NDArray[np.uint8], contract: Contract) -> NDArray[np.uint8]:
    """Return an array of images as the contract wants them; DataError where it is no such array."""
    images = array[:, None] if array.ndim == 3 else array
    if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if array.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or images.size == 0:
        raise DataError(
            f"images are a uint8 array (N, H, W) or (N, C, H, W) of 1 or 3 channels, got {array.dtype} "
            f"{tuple(array.shape)}; pixels are 0..255, and the contract normalises them"
        )
    if images.shape[1:] == contract.input.shape[1:]:
        return np.ascontiguousarray(images)
    return stack_faces(_pictures(images), len(images), contract.input, "preparing the images")


def _pictures(images: NDArray[np.uint8]) -> Iterator[Image.Image]:
    for image in images:
        plane = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        yield Image.fromarray(np.ascontiguousarray(plane))
