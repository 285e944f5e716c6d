"""Learns the bands from rows left out of the fit, and keeps them beside the rows."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Hashable, Iterable, Iterator, Sequence

from pydantic import ValidationError

from fer_deploy.devices.estimator.bands import COVERAGE, Band, Bands, Growth, holding, width_for
from fer_deploy.devices.estimator.cpu import BASES, Basis
from fer_deploy.devices.estimator.left_out import (
    CLUSTER,
    LEFT_OUT,
    LeftOut,
    by_architecture,
    leave_out,
    leave_sizes_out,
)
from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.rows import CalibrationRow, Precision, calibration_rows
from fer_deploy.files import write_json_atomic

_FILE = DATA / "bands.json"
_CALIBRATION_FILES = ("cpu_rows.csv", "calibration_devices.toml")
#: E-folds beyond the rows that are held apart; the last has what is further as well.
_FOLDS = 3
_PRECISIONS: tuple[Precision, ...] = ("float", "int8")


def fit_bands(
    rows: Sequence[CalibrationRow], sha256: str = "", bases: Iterable[Basis] = BASES, growth: bool = False
) -> Bands:
    """Return the bands of ``bases`` learnt from leaving rows out, for each precision; some dozens of fits.

    ``growth``: learn how they widen beyond the rows as well, which takes as many fits again; all bases are needed.
    """
    bands = []
    for basis in bases:
        found = [one for one in leave_out(rows, LEFT_OUT[basis]) if one.point.basis == basis]
        for precision in _PRECISIONS:
            clusters: dict[Hashable, list[float]] = {}
            for one in found:
                if one.row.precision == precision:
                    clusters.setdefault(CLUSTER[basis](one.row), []).append(one.log_error)
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
    learnt = Bands(calibration_sha256=sha256, coverage=COVERAGE, bands=tuple(bands))
    if not growth:
        return learnt
    return learnt.model_copy(update={"growth": tuple(fit_growth(learnt, beyond_the_rows(rows)))})


def beyond_the_rows(rows: Sequence[CalibrationRow]) -> list[LeftOut]:
    """Return the left-out rows whose network was beyond all that stayed: by size, or by its mix of kernels."""
    found = [*leave_sizes_out(rows), *leave_out(rows, by_architecture)]
    return [one for one in found if one.point.distance]


def fit_growth(bands: Bands, beyond: Sequence[LeftOut]) -> Iterator[Growth]:
    """Yield by how much bands widen for every e-fold beyond the rows, so that they hold nine in ten such rows.

    Every left-out row needs its error less the band that it would have within the rows, divided by its distance. The
    rows up to one e-fold beyond, up to two, and further must each be held: near rows do not outvote far ones.
    """
    for smaller in (True, False):
        here = [one for one in beyond if (one.point.distance < 0) == smaller]
        folds: dict[int, dict[Hashable, list[float]]] = {}
        for one in here:
            distance = abs(one.point.distance)
            excess = abs(one.log_error) - bands.width(one.point.band_basis, one.row.precision)
            needs = folds.setdefault(min(int(distance), _FOLDS - 1), {})
            needs.setdefault(one.row.architecture, []).append(excess / distance)
        if folds:
            slope = max(0.0, *(holding(needs) for needs in folds.values()))
            networks = {one.row.architecture for one in here}
            yield Growth(smaller=smaller, log_per_distance=slope, rows=len(here), clusters=len(networks))


def calibration_digest() -> str:
    """Return the hex SHA-256 of the files that the bands depend on."""
    digest = hashlib.sha256()
    for name in _CALIBRATION_FILES:
        digest.update((DATA / name).read_bytes())
    return digest.hexdigest()


def write_bands() -> Bands:
    """Learn the bands of the shipped rows and write them beside the rows; return them."""
    bands = fit_bands(calibration_rows(), calibration_digest(), growth=True)
    write_json_atomic(_FILE, bands.model_dump(mode="json"))
    return bands


@functools.cache
def calibrated_bands() -> Bands:
    """Return the bands of the shipped rows: from ``bands.json``, or learnt anew where that is of other rows."""
    try:
        bands = Bands.model_validate(json.loads(_FILE.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return fit_bands(calibration_rows(), calibration_digest(), growth=True)
    if bands.calibration_sha256 != calibration_digest():
        return fit_bands(calibration_rows(), calibration_digest(), growth=True)
    return bands
