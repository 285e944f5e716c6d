"""A model and its artifacts under corruption: of a run, and of one or two subjects alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fer_deploy.data.account import faces_digest
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, Role, at_hand, open_dataset
from fer_deploy.errors import TargetError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.corrupted import Pixels, corrupted_figures, corrupted_inference, some_of
from fer_deploy.measure.figures import CorruptedFigures
from fer_deploy.measure.measurement import as_emulated
from fer_deploy.measure.subject import Inference, float_inference, infer, open_subject
from fer_deploy.pipeline.compare import require_same_images
from fer_deploy.pipeline.config import CorruptionsSection
from fer_deploy.pipeline.inputs import Inputs
from fer_deploy.pipeline.store import ANSWERS, Store, digest
from fer_deploy.progress import Stages
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import get_target


def corrupted_of(
    plain: Graph,
    inputs: Inputs,
    artifacts: Sequence[Artifact],
    asked: CorruptionsSection,
    store: Store,
    stages: Stages,
) -> dict[str | None, CorruptedFigures]:
    """Return a run's figures under corruption by artifact, the float model's under None.

    Empty where nothing is asked for; an artifact that this machine cannot run is not among them.

    Args:
        plain: the float graph.
        inputs: model and test images.
        artifacts: what was made.
        asked: how many images.
        store: keeps the answers for the next run.
        stages: take the time.
    """
    if asked.images == 0:
        return {}
    faces = some_of(inputs.test, asked.images, asked.seed)
    settings = {"images": faces_digest(faces), "corruptions": asked.model_dump(mode="json")}
    is_data = ":" not in inputs.model.source

    def of(key: str, made_from: str, answer: Callable[[Pixels], Inference]) -> Inference | Unknown:
        def ask() -> Inference | Unknown:
            try:
                return corrupted_inference(answer, faces, asked.seed)
            except TargetError as error:  # an emulation that lacks an operation
                return Unknown(reason=str(error))

        with stages.stage(f"{key} under corruption"):
            return store.once(ANSWERS, f"{key}-corrupted", made_from, ask, is_data)

    weights, contract = inputs.model.weights_sha256, inputs.model.contract.sha256
    made_from = digest(weights=weights, contract=contract, settings=settings)
    reference = of(
        "float-model", made_from, partial(float_inference, plain, note="evaluating the float model")
    )
    assert isinstance(reference, Inference)
    found: dict[str | None, CorruptedFigures] = {None: corrupted_figures(reference.logits, faces, asked.seed)}
    for artifact in artifacts:
        if get_target(artifact.info.target).host_obstacle() is not None:
            continue
        made_from = digest(file=artifact.info.sha256, settings=settings)
        answers = of(artifact.key, made_from, partial(infer, artifact))
        if isinstance(answers, Inference):
            figures = corrupted_figures(answers.logits, faces, asked.seed, reference.logits)
            found[artifact.key] = as_emulated(figures, answers.emulation)
    return found


def evaluate_corrupted(
    reference: str,
    contract: Path | None,
    weights: Path | None,
    dataset: DatasetSpec,
    role: Role,
    asked: CorruptionsSection,
    artifact: str | None = None,
) -> tuple[Faces, CorruptedFigures, CorruptedFigures | None]:
    """Return the images that were drawn and how ``reference`` does on them; and how ``artifact`` does against it.

    Args:
        reference: a model, or an artifact folder.
        contract, weights: of a model that does not carry its own.
        dataset: where the images come from.
        role: which split of it.
        asked: how many images.
        artifact: another one, whose flips against ``reference`` are counted.

    Raises:
        FerDeployError: one of them or the dataset is unusable, or an artifact cannot run here.
    """
    subject = open_subject(reference, contract, weights)
    other = None if artifact is None else open_subject(artifact)
    if other is not None:
        require_same_images(subject, other)
    faces = open_dataset(at_hand(dataset), role, subject.contract.labels, subject.contract.input)
    faces = some_of(faces, asked.images, asked.seed)
    answers = corrupted_inference(subject.answers, faces, asked.seed)
    figures = as_emulated(corrupted_figures(answers.logits, faces, asked.seed), answers.emulation)
    if other is None:
        return faces, figures, None
    theirs = corrupted_inference(other.answers, faces, asked.seed)
    compared = corrupted_figures(theirs.logits, faces, asked.seed, answers.logits)
    return faces, figures, as_emulated(compared, theirs.emulation or answers.emulation)
