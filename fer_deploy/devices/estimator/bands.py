"""How wide a band must be to hold nine in ten published rows, from predictions of rows left out of the fit."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from fer_deploy.devices.estimator.cpu import Basis, Point, fit_cpu, log_errors
from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.rows import CalibrationRow, Precision, calibration_rows
from fer_deploy.devices.estimator.workload import RIDGE
from fer_deploy.files import write_json_atomic
from fer_deploy.frozen import Frozen

#: Share of published rows that a band is made to hold.
COVERAGE = 0.90
#: A bucket with fewer left-out rows than this takes the widest band of its basis.
_ENOUGH = 10
_FILE = DATA / "bands.json"
_CALIBRATION_FILES = ("cpu_rows.csv", "calibration_devices.toml")

Key = Callable[[CalibrationRow], Hashable]


def by_architecture(row: CalibrationRow) -> Hashable:
    """Leave-one-model-out: every width, size, precision and device of one architecture at once."""
    return row.architecture


def by_conditions(row: CalibrationRow) -> Hashable:
    """Leave-one-condition-out: a device's runtime, threads and precision, whatever the source calls the cores."""
    return (row.device.name, row.runtime, row.threads, row.precision)


def by_device(row: CalibrationRow) -> Hashable:
    """Leave-one-device-out: every device with one SoC at once."""
    return row.device.family


#: Rows that err together: of one architecture, or of one device.
_CLUSTER: dict[Basis, Key] = {
    "same conditions": by_architecture,
    "same device": lambda row: row.device.name,
    "other devices": by_device,
}

#: What must be left out to learn the error of each basis.
LEFT_OUT: dict[Basis, Key] = {
    "same conditions": by_architecture,
    "same device": by_conditions,
    "other devices": by_device,
}


@dataclass(frozen=True)
class LeftOut:
    """A row predicted by a model that has not seen it."""

    row: CalibrationRow
    point: Point
    log_error: float


def leave_out(rows: Sequence[CalibrationRow], key: Key, ridge: float = RIDGE) -> Iterator[LeftOut]:
    """Yield every row that has an answer, predicted from the rows with other values of ``key``."""
    for value in sorted({key(row) for row in rows}, key=str):
        kept = [row for row in rows if key(row) != value]
        if kept:
            held = [row for row in rows if key(row) == value]
            yield from (LeftOut(*found) for found in log_errors(fit_cpu(kept, ridge), held))


class Band(Frozen):
    """Half-width of a band in log milliseconds."""

    basis: Basis
    precision: Precision
    log_width: float = Field(gt=0)
    rows: int = Field(description="left-out rows that it was learnt from")
    clusters: int = Field(description="networks or devices that they belong to")


class Bands(Frozen):
    """The bands of one set of rows."""

    calibration_sha256: str
    coverage: float
    bands: tuple[Band, ...]

    def width_of(self, point: Point, precision: Precision) -> float:
        """Return the half-width of a point's band in log milliseconds; a weak point has that of its ``band_basis``."""
        return max(self.width(basis, precision) for basis in (point.basis, point.band_basis))

    def width(self, basis: Basis, precision: Precision) -> float:
        """Return the half-width of the band of a basis in log milliseconds."""
        own = [b for b in self.bands if b.basis == basis and b.precision == precision and b.rows >= _ENOUGH]
        if own:
            return own[0].log_width
        return max(b.log_width for b in self.bands)


def width_for(errors: Mapping[Hashable, Sequence[float]], coverage: float = COVERAGE) -> float:
    """Return the absolute error that holds ``coverage`` of a further cluster's rows.

    Rows of one network, or of one device, err together, so every cluster weighs the same however many rows it
    has, and the further cluster is counted as infinitely wrong: split conformal prediction for clusters,
    arXiv:2306.06342. With too few clusters for that the largest error of all is returned.
    """
    weighted = sorted((abs(one), 1 / len(some)) for some in errors.values() for one in some)
    needed = coverage * (len(errors) + 1)
    total = 0.0
    for error, weight in weighted:
        total += weight
        if total >= needed - 1e-9:
            return error
    return weighted[-1][0]


def fit_bands(
    rows: Sequence[CalibrationRow], sha256: str = "", bases: Iterable[Basis] = tuple(LEFT_OUT)
) -> Bands:
    """Return the bands of ``bases`` learnt from leaving rows out, for each precision; some dozens of fits."""
    bands = []
    precisions: tuple[Precision, ...] = ("float", "int8")
    for basis in bases:
        key = LEFT_OUT[basis]
        found = [one for one in leave_out(rows, key) if one.point.basis == basis]
        for precision in precisions:
            clusters: dict[Hashable, list[float]] = {}
            for one in found:
                if one.row.precision == precision:
                    clusters.setdefault(_CLUSTER[basis](one.row), []).append(one.log_error)
            if clusters:
                bands.append(
                    Band(
                        basis=basis,
                        precision=precision,
                        log_width=max(width_for(clusters), 1e-3),
                        rows=sum(map(len, clusters.values())),
                        clusters=len(clusters),
                    )
                )
    return Bands(calibration_sha256=sha256, coverage=COVERAGE, bands=tuple(bands))


def calibration_digest() -> str:
    """Return the hex SHA-256 of the files that the bands depend on."""
    digest = hashlib.sha256()
    for name in _CALIBRATION_FILES:
        digest.update((DATA / name).read_bytes())
    return digest.hexdigest()


def write_bands() -> Bands:
    """Learn the bands of the shipped rows and write them beside the rows; return them."""
    bands = fit_bands(calibration_rows(), calibration_digest())
    write_json_atomic(_FILE, bands.model_dump(mode="json"))
    return bands


@functools.cache
def calibrated_bands() -> Bands:
    """Return the bands of the shipped rows: from ``bands.json``, or learnt anew where that is of other rows."""
    try:
        bands = Bands.model_validate(json.loads(_FILE.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return fit_bands(calibration_rows(), calibration_digest())
    if bands.calibration_sha256 != calibration_digest():
        return fit_bands(calibration_rows(), calibration_digest())
    return bands
