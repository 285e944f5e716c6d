"""The report's schema. JSON is its only stored form; every other view is rendered from it."""

from __future__ import annotations

import json
import os
from typing import Literal

from pydantic import Field, ValidationError

from fer_deploy.contract import Contract
from fer_deploy.data.account import Account
from fer_deploy.devices.paths import ProcessorPath
from fer_deploy.errors import ArtifactError
from fer_deploy.files import as_path, write_atomic
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.measure.counted import ImageAnswers
from fer_deploy.measure.figures import (
    AccuracyFigures,
    CorruptedFigures,
    LayerFigures,
    NpuFigures,
    ParityFigures,
    RuntimeFigures,
    TargetParity,
)
from fer_deploy.measure.measurement import NOT_ASKED, Measurement, Provenance
from fer_deploy.model.origin import Origin
from fer_deploy.showing import ShownAsHtml

#: Raised in its first part when a reader of the old one would misread the new one.
SCHEMA_VERSION: Literal["2.0"] = "2.0"


class ModelSummary(Frozen):
    """The float model that went in."""

    name: str
    source: str = Field(description="what --model named")
    contract: Contract
    contract_sha256: str
    weights_sha256: str
    parameters: Measurement
    macs: Measurement = Field(description="multiply-accumulates of one inference")


class DatasetSummary(Frozen):
    """The images that accuracy was measured on."""

    name: str
    images: int
    leaked: int | None = Field(
        description="images with a pixel-identical twin in the training split; null: not known, see account"
    )
    per_class: dict[str, int]
    sha256: str | None = Field(
        default=None,
        description="digest of pixels, labels and order; runs of equal digest are compared image by image",
    )
    account: Account | None = Field(
        default=None, description="what became of every image; null in reports from before it was kept"
    )


class CalibrationSummary(Frozen):
    """The images that ranges were observed on; always training images."""

    dataset: str
    images: int
    per_class: dict[str, int]
    rows: tuple[int, ...] = Field(description="their rows in the source")
    observer: str
    seed: int
    carried: bool = Field(
        default=False, description="the ranges came with the model, not from images at hand"
    )
    drawn: bool = Field(default=False, description="the images were drawn by code: not for shipping")


class DelegationFigures(Frozen):
    """How much of the graph the target's accelerated backend takes."""

    backend: str
    share: Measurement = Field(description="delegated share of the graph's operators, fraction")
    delegates: int | None = Field(default=None, description="number of delegated subgraphs")
    not_delegated: dict[str, int] = Field(default_factory=dict, description="operator name to count")


class GraphReport(Frozen):
    """The quantized graph of one recipe, which every target's artifact is lowered from."""

    recipe: str
    layers: tuple[LayerFigures, ...] = Field(default=(), description="as torch runs the graph, in order")
    layers_reason: str | None = Field(default=None, description="why no layer could be compared")


class ArtifactReport(Frozen):
    """One artifact folder and what is known of it on any device."""

    target: str
    recipe: str
    path: str
    file: str
    sha256: str
    size: Measurement
    delegation: DelegationFigures
    accuracy: AccuracyFigures
    parity: ParityFigures
    corrupted: CorruptedFigures | None = Field(
        default=None, description="under corruption; null where nobody asked or this machine cannot run it"
    )
    npu: tuple[NpuFigures, ...] = Field(
        default=(), description="on each emulated NPU that was asked for; empty where nobody asked"
    )
    layers: tuple[LayerFigures, ...] = Field(
        default=(), description="of a quantized artifact, in order; empty when no layer was compared"
    )
    layers_reason: str | None = Field(default=None, description="why no layer could be compared")
    diagnosis: str | None = Field(
        default=None,
        description="the known mistake that explains what is wrong with the artifact, if one does",
    )

    @property
    def key(self) -> str:
        """``target-recipe``, by which devices refer to it."""
        return f"{self.target}-{self.recipe}"


class MissingArtifact(Frozen):
    """An artifact that was asked for and could not be made."""

    target: str
    recipe: str
    reason: str

    @property
    def key(self) -> str:
        """``target-recipe``."""
        return f"{self.target}-{self.recipe}"


class DeviceReport(Frozen):
    """One device and every artifact on it."""

    name: str
    market_name: str
    soc: str
    os: str
    transport: str
    asked: str | None = Field(
        default=None, description="the name that stood for it as it was the phone attached, e.g. pixel"
    )
    attached: str | None = Field(
        default=None, description="what was there, in words; None: nothing, or it is this machine"
    )
    paths: tuple[ProcessorPath, ...] = Field(
        default=(), description="the ways onto its processors, and how each can be known"
    )
    figures: tuple[RuntimeFigures, ...]

    @property
    def nothing_measured(self) -> str | None:
        """One sentence where something was attached and no figure was measured on it, with the first reason."""
        typical = [one.latency_p50 for one in self.figures]
        if (
            self.attached is None
            or not typical
            or any(one.provenance is Provenance.MEASURED for one in typical)
        ):
            return None
        reason = typical[0].reason or typical[0].conditions.get(NOT_ASKED) or "the figures say why"
        return f"{self.attached} is attached, and nothing was measured on {self.market_name}: {reason}"


class Report(ShownAsHtml, Frozen):
    """Everything one run found out."""

    schema_version: Literal["2.0"] = SCHEMA_VERSION
    created: str = Field(description="ISO 8601, UTC")
    command: str
    versions: dict[str, str]
    model: ModelSummary
    origin: Origin
    dataset: DatasetSummary
    images: ImageAnswers = Field(description="what the figures on accuracy were counted from")
    calibration: CalibrationSummary | None
    float_accuracy: AccuracyFigures
    float_corrupted: CorruptedFigures | None = Field(
        default=None, description="the float model under corruption; null where nobody asked"
    )
    graphs: tuple[GraphReport, ...] = Field(default=(), description="one per quantized recipe")
    artifacts: tuple[ArtifactReport, ...]
    between_targets: tuple[TargetParity, ...]
    devices: tuple[DeviceReport, ...]
    warnings: tuple[str, ...] = ()
    missing: tuple[MissingArtifact, ...] = Field(
        default=(), description="artifacts that were asked for and could not be made"
    )
    reused: tuple[str, ...] = Field(
        default=(), description="what was reused of an earlier run of the same inputs"
    )
    diagnosis: str | None = Field(
        default=None, description="the known mistake that explains a poor float model, if one does"
    )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, atomically."""
        write_atomic(as_path(path, "path"), self.model_dump_json(indent=2) + "\n")


def load_report(path: str | os.PathLike[str]) -> Report:
    """Return the report in a JSON file.

    Raises:
        ArgumentError: ``path`` is no path.
        ArtifactError: the file is missing or not a report of this schema version.
    """
    path = as_path(path, "path")
    try:
        content = path.read_bytes()
        return Report.model_validate_json(content)
    except OSError as error:
        raise ArtifactError(f"report {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        version = _version(content)
        if version not in (None, SCHEMA_VERSION):
            raise ArtifactError(
                f"report {path} is of schema {version}, and this fer-deploy reads {SCHEMA_VERSION}: make it again "
                "with `fer-deploy run`, a reference with `fer-deploy baseline`"
            ) from None
        raise ArtifactError(
            f"report {path} is not a report of schema {SCHEMA_VERSION}: {first_problem(error)}"
        ) from None


def _version(content: bytes) -> str | None:
    """Return what a JSON document calls its schema's version, or None."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    version = document.get("schema_version") if isinstance(document, dict) else None
    return version if isinstance(version, str) and version.replace(".", "").isdigit() else None
