"""How wide a band must be to hold nine in ten published rows that were left out of the fit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from pydantic import Field

from fer_deploy.devices.estimator.cpu import BASES, Basis, Point
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.frozen import Frozen

#: Share of published rows that a band is made to hold.
COVERAGE = 0.90
#: A bucket with fewer left-out rows than this takes the widest band of its basis.
_ENOUGH = 10


class Band(Frozen):
    """Half-width of a band in log milliseconds."""

    basis: Basis
    precision: Precision
    log_width: float = Field(gt=0)
    rows: int = Field(description="left-out rows that it was learnt from")
    clusters: int = Field(description="networks or devices that they belong to")


class Growth(Frozen):
    """How much wider a band is for a network smaller, or larger, than those of the rows."""

    smaller: bool
    log_per_distance: float = Field(ge=0, description="log half-width for every e-fold that it is beyond")
    rows: int = Field(description="left-out rows beyond those that stayed that it was learnt from")
    clusters: int = Field(description="networks that they are of")


class Bands(Frozen):
    """The bands of one set of rows."""

    calibration_sha256: str
    coverage: float
    bands: tuple[Band, ...]
    growth: tuple[Growth, ...] = ()

    def width_of(self, point: Point, precision: Precision) -> float:
        """Return the half-width of a point's band in log milliseconds.

        That of its ``band_basis``, and more for a network beyond those of the rows.
        """
        slopes = [one.log_per_distance for one in self.growth if one.smaller == (point.distance < 0)]
        return self.width(point.band_basis, precision) + max(slopes, default=0.0) * abs(point.distance)

    def width(self, basis: Basis, precision: Precision) -> float:
        """Return the half-width of the band of a basis in log milliseconds: never less than of rows that are nearer."""
        nearer = BASES[: BASES.index(basis) + 1]
        return max(
            self._learnt(one, precision)
            for one in nearer
            if one == basis or any(b.basis == one for b in self.bands)
        )

    def _learnt(self, basis: Basis, precision: Precision) -> float:
        own = [b for b in self.bands if b.basis == basis and b.precision == precision and b.rows >= _ENOUGH]
        if own:
            return own[0].log_width
        return max(b.log_width for b in self.bands)


def holding(needs: Mapping[Hashable, Sequence[float]], coverage: float = COVERAGE) -> float:
    """Return the value that ``coverage`` of a further cluster's needs do not exceed.

    Rows of one network, or of one device, err together, so every cluster weighs the same however many rows it
    has, and the further cluster is counted as infinitely wrong: split conformal prediction for clusters,
    arXiv:2306.06342. With too few clusters for that the largest need of all is returned.
    """
    weighted = sorted((one, 1 / len(some)) for some in needs.values() for one in some)
    needed = coverage * (len(needs) + 1)
    total = 0.0
    for need, weight in weighted:
        total += weight
        if total >= needed - 1e-9:
            return need
    return weighted[-1][0]


def width_for(errors: Mapping[Hashable, Sequence[float]], coverage: float = COVERAGE) -> float:
    """Return the absolute error that holds ``coverage`` of a further cluster's rows."""
    return holding({name: [abs(one) for one in some] for name, some in errors.items()}, coverage)
