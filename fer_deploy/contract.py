"""The Contract: what a model expects and what it answers, defined once and carried by every artifact."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from fer_deploy.errors import ContractError, FerDeployError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, first_problem


class InputSpec(Frozen):
    """How a photograph of a face becomes the network's input.

    The order is fixed: crop the face box widened by ``crop_margin``, convert to ``color``, resize,
    then ``(pixel - mean) / std`` per channel. The last step is the first operation of every lowered
    graph, so an app hands over pixels 0..255 and can get only crop and resize wrong.
    """

    height: int = Field(ge=16, le=512, description="pixels")
    width: int = Field(ge=16, le=512, description="pixels")
    color: Literal["grey", "rgb"]
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: Literal[True] = Field(
        default=True, description="the kernel widens when shrinking, as Pillow's resize does; always on"
    )
    crop_margin: float = Field(
        default=0.0, ge=0.0, le=1.0, description="fraction of the face box's side added on each of its sides"
    )
    mean: tuple[float, ...] = Field(description="per channel, in pixel units 0..255")
    std: tuple[float, ...] = Field(description="per channel, in pixel units 0..255, above zero")

    @property
    def channels(self) -> int:
        """1 for grey, 3 for rgb."""
        return 1 if self.color == "grey" else 3

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The input's shape (1, channels, height, width)."""
        return (1, self.channels, self.height, self.width)

    @model_validator(mode="after")
    def _channels_agree(self) -> InputSpec:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(
                    f"{name} has {len(values)} value(s) but color = '{self.color}' has {self.channels} channel(s)"
                )
        if any(not value > 0 for value in self.std):
            raise ValueError(f"every std must be above zero, got {list(self.std)}")
        if any(not 0 <= value <= 255 for value in self.mean):
            raise ValueError(f"mean is in pixel units 0..255, got {list(self.mean)}")
        return self


class TrainedOn(Frozen):
    """What the model has seen; printed on every card and in every report."""

    dataset: str
    split: str = ""
    note: str = ""


class NoFace(Frozen):
    """When what a detector found is no face: the sigmoid of ``bias + energy * logsumexp(logits) + weights . logits``.

    A network answers a picture without a face with logits that are smaller together and otherwise related to one
    another. Fitted by logistic regression on logits that are not divided by the temperature.
    """

    weights: tuple[float, ...] = Field(description="one per label, in the contract's order")
    energy: float = Field(description="of the logarithm of the sum of the exponentials of the logits")
    bias: float
    above: float = Field(gt=0, lt=1, description="a probability of no face above it is answered 'no face'")
    kept: float = Field(gt=0, le=1, description="share of the validation faces that are not answered so")
    fitted_on: str = Field(min_length=1, description="the pictures of no face, and the faces")


class Confidence(Frozen):
    """How logits become probabilities that can be believed, and when a model does not answer.

    ``fer-deploy confidence`` fits it on validation images. Apps read it with the rest of the contract.
    """

    temperature: float = Field(
        gt=0, le=100, description="logits are divided by it before the softmax (Guo et al., ICML 2017)"
    )
    unsure_below: float = Field(
        default=0.0, ge=0, lt=1, description="a top probability below it is answered 'unsure'; 0: never"
    )
    coverage: float = Field(
        default=1.0, gt=0, le=1, description="share of the images it was fitted on that keep an answer"
    )
    fitted_on: str = Field(min_length=1, description="data set and split")
    no_face: NoFace | None = Field(
        default=None, description="tells pictures without a face; without it every picture is taken for one"
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        if values.get("no_face") is None:
            values.pop("no_face", None)
        return values


class Contract(Frozen):
    """Labels, input specification, training data and confidence of one model."""

    labels: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    trained_on: TrainedOn
    confidence: Confidence | None = Field(
        default=None,
        description="without it probabilities are the softmax of the logits, and every face is answered",
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A contract from before there was a confidence is still the same one; and TOML has no null.
        values: dict[str, Any] = write(self)
        if values.get("confidence") is None:
            values.pop("confidence", None)
        return values

    @property
    def temperature(self) -> float:
        """What logits are divided by before the softmax; 1 where none was fitted."""
        return 1.0 if self.confidence is None else self.confidence.temperature

    @property
    def unsure_below(self) -> float:
        """The top probability below which the answer is "unsure"; 0 where no threshold was chosen."""
        return 0.0 if self.confidence is None else self.confidence.unsure_below

    @property
    def no_face(self) -> NoFace | None:
        """What tells pictures without a face; None where nothing does."""
        return None if self.confidence is None else self.confidence.no_face

    @model_validator(mode="after")
    def _every_label_has_a_weight(self) -> Contract:
        if self.no_face is not None and len(self.no_face.weights) != len(self.labels):
            raise ValueError(
                f"confidence.no_face has {len(self.no_face.weights)} weights for {len(self.labels)} labels"
            )
        return self

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
            raise ValueError(f"labels must be non-empty and all different, got {list(labels)}")
        return labels

    @property
    def sha256(self) -> str:
        """Hex digest of the contract's canonical JSON; artifacts and reports carry it."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_contract(table: dict[str, Any], where: str) -> Contract:
    """Return the Contract in a parsed ``[contract]`` table.

    Raises:
        ContractError: a key is missing, unknown or out of range; the message names it and ``where``.
    """
    try:
        return Contract.model_validate(table)
    except ValidationError as error:
        raise ContractError(f"contract in {where} is not valid: {first_problem(error, Contract)}") from None


def load_contract(path: Path) -> Contract:
    """Return the Contract in the ``[contract]`` table of a TOML file.

    Raises:
        ContractError: the file is missing, not TOML, or its table is not a contract.
    """
    return parse_contract(contract_table(read_toml(path, ContractError, "contract"), path), str(path))


def contract_table(
    document: dict[str, Any], path: Path, error: type[FerDeployError] = ContractError
) -> dict[str, Any]:
    """Return the ``[contract]`` table of a parsed TOML document, or raise ``error``."""
    table = document.get("contract")
    if not isinstance(table, dict):
        raise error(f"{path} has no [contract] table; add labels, [contract.input] and [contract.trained_on]")
    return table
