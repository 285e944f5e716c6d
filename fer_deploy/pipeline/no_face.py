"""Pictures of no face for a data set, and the rule that tells them fitted on a model's answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import InputSpec, NoFace
from fer_deploy.data.faces import Faces
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
    """Pictures of no face, uint8 (N, C, H, W) each, and which images of their split are faces.

    Attributes:
        voted: images that most annotators called "unknown" or "not a face"; None where nobody was asked.
        made: made of faces.
        faces: bool, for each image of the split: FER2013's own labels call some of ``voted`` an expression.
    """

    voted: NDArray[np.uint8] | None
    made: NDArray[np.uint8]
    faces: NDArray[np.bool_]

    @property
    def described(self) -> str:
        """How many there are of which kind."""
        voted = "" if self.voted is None else f"{len(self.voted):,} voted no face and "
        return f"{voted}{len(self.made):,} made of faces"


def no_face_pictures(dataset: DatasetSpec, role: Role, faces: Faces, spec: InputSpec) -> NoFacePictures:
    """Return pictures of no face that belong to a split.

    Args:
        dataset: whose split it is.
        role: of the split.
        faces: its images, of which some pictures are made.
        spec: for which they are preprocessed.
    """
    from fer_deploy.data.no_face import made_no_face, voted_no_face

    count = min(_MADE, len(faces) // 8 * 4)
    if count == 0:
        raise DataError(
            f"{faces.name} has {len(faces)} images, too few to make pictures of no face of; give at least 8"
        )
    voted, rows = None, np.empty(0, dtype=np.int64)
    if dataset.kind in ("ferplus", "fer2013", "fer2013_5"):
        with suppress(DataError):  # an npz without votes: the faces were read from it, so it is there
            voted, rows = voted_no_face(FER_SPLITS[role], spec, npz_of(dataset.path))
    mask = ~np.isin(faces.rows, rows)
    return NoFacePictures(voted, made_no_face(faces.pixels[mask], count, _SEED), mask)


def fit_no_face(
    answer: Answer,
    training: tuple[Faces, NoFacePictures],
    validation: tuple[Faces, NoFacePictures, Logits],
    keep: float,
) -> NoFace:
    """Return the rule fitted on a model's answers.

    Args:
        answer: gives the model's logits (N, K) of pixels.
        training: images to fit on, and the pictures of no face of their split.
        validation: images that set the threshold, the pictures of their split, and the model's logits on the images.
        keep: share of the validation faces that has to be taken for faces.
    """
    (faces, pictures), (held, theirs, logits) = training, validation
    chosen = np.random.default_rng(_SEED).permutation(np.flatnonzero(pictures.faces))[:_FACES]
    others = pictures.made if pictures.voted is None else np.concatenate([pictures.voted, pictures.made])
    return fitted_no_face(
        answer(faces.pixels[np.sort(chosen)], f"evaluating {faces.name}"),
        answer(others, "evaluating pictures of no face"),
        logits[theirs.faces],
        keep,
        f"{faces.name}: {len(chosen):,} faces, {pictures.described}; threshold on {held.name}",
    )


def judge_no_face(rule: NoFace, answer: Answer, logits: Logits, pictures: NoFacePictures) -> NoFaceFigures:
    """Return how a rule does on logits of a split's images, and on its pictures of no face."""
    voted = None if pictures.voted is None else answer(pictures.voted, "evaluating images voted no face")
    made = answer(pictures.made, "evaluating pictures of no face")
    return no_face_figures(rule, logits[pictures.faces], voted, made)
