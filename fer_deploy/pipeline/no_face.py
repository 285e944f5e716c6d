"""Pictures of no face for a data set, and the rule that tells them fitted on a model's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import InputSpec, NoFace
from fer_deploy.data.faces import Faces
from fer_deploy.data.fer2013 import Split
from fer_deploy.data.registry import FER_SPLITS, DatasetSpec, Role, npz_of
from fer_deploy.errors import DataError
from fer_deploy.measure.no_face import NoFaceFigures, fitted_no_face, no_face_figures

#: Pictures that are made of faces; the fit weighs them beside some 300 that annotators voted to be none.
_MADE = 800
#: Faces of the training split that the fit sees.
_FACES = 4000
_SEED = 0
Logits = NDArray[np.float32]
Answer = Callable[[NDArray[np.uint8], str], Logits]


@dataclass(frozen=True, eq=False)
class NoFacePictures:
    """Pictures of no face, uint8 (N, C, H, W) each.

    Attributes:
        voted: images that most annotators called "unknown" or "not a face"; None where nobody was asked.
        made: made of faces.
    """

    voted: NDArray[np.uint8] | None
    made: NDArray[np.uint8]

    @property
    def described(self) -> str:
        """How many there are of which kind."""
        voted = "" if self.voted is None else f"{len(self.voted):,} voted no face and "
        return f"{voted}{len(self.made):,} made of faces"


def no_face_pictures(dataset: DatasetSpec, role: Role, faces: Faces) -> NoFacePictures:
    """Return pictures of no face that belong to a split: ``faces``, which some are made of, are its faces."""
    from fer_deploy.data.no_face import made_no_face

    count = min(_MADE, len(faces) // 4 * 4)
    if count == 0:
        raise DataError(
            f"{faces.name} has {len(faces)} images, too few to make pictures of no face of; give at least 4"
        )
    spec = InputSpec.model_construct(
        height=faces.pixels.shape[2],
        width=faces.pixels.shape[3],
        color="grey" if faces.pixels.shape[1] == 1 else "rgb",
        resize="bilinear",
        antialias=True,
        crop_margin=0.0,
    )
    voted = (
        _voted(dataset, FER_SPLITS[role], spec)
        if dataset.kind in ("ferplus", "fer2013", "fer2013_5")
        else None
    )
    return NoFacePictures(voted, made_no_face(faces.pixels, count, _SEED))


def _voted(dataset: DatasetSpec, split: Split, spec: InputSpec) -> NDArray[np.uint8] | None:
    from fer_deploy.data.no_face import voted_no_face

    try:
        return voted_no_face(split, spec, npz_of(dataset.path))
    except DataError:
        return None  # an npz without votes: the faces were read from it, so it is there


def fit_no_face(
    answer: Answer, training: Faces, pictures: NoFacePictures, validation: tuple[Faces, Logits], keep: float
) -> NoFace:
    """Return the rule fitted on a model's answers.

    Args:
        answer: gives the model's logits (N, K) of pixels.
        training: faces to fit on.
        pictures: of no face, of the training split.
        validation: faces that set the threshold, and the model's logits on them.
        keep: share of them that has to be taken for faces.
    """
    chosen = np.random.default_rng(_SEED).permutation(len(training))[:_FACES]
    others = pictures.made if pictures.voted is None else np.concatenate([pictures.voted, pictures.made])
    held, theirs = validation
    return fitted_no_face(
        answer(training.pixels[np.sort(chosen)], f"evaluating {training.name}"),
        answer(others, "evaluating pictures of no face"),
        theirs,
        keep,
        f"{training.name}: {len(chosen):,} faces, {pictures.described}; threshold on {held.name}",
    )


def judge_no_face(rule: NoFace, answer: Answer, faces: Logits, pictures: NoFacePictures) -> NoFaceFigures:
    """Return how a rule does on logits of faces, and on pictures of no face of the same split."""
    voted = None if pictures.voted is None else answer(pictures.voted, "evaluating images voted no face")
    return no_face_figures(rule, faces, voted, answer(pictures.made, "evaluating pictures of no face"))
