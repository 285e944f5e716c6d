"""Bands: learnt from rows left out, never narrower further away, and shipped as they were learnt."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.estimator.bands import COVERAGE, Band, Bands, holding, width_for
from fer_deploy.devices.estimator.cpu import BASES, query_of
from fer_deploy.devices.estimator.learn import (
    beyond_the_rows,
    calibrated_bands,
    calibration_digest,
    fit_bands,
    fit_growth,
)
from fer_deploy.devices.estimator.left_out import LEFT_OUT, by_core, by_device, leave_out, leave_sizes_out
from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.rows import Precision, calibration_rows

_ROWS = calibration_rows()
_PRECISIONS: tuple[Precision, ...] = ("float", "int8")


def test_shipped_bands_are_of_the_shipped_rows() -> None:
    stored = json.loads((DATA / "bands.json").read_text(encoding="utf-8"))
    assert stored["calibration_sha256"] == calibration_digest()
    bands = calibrated_bands()
    assert {band.basis for band in bands.bands} == set(LEFT_OUT) == set(BASES)
    for precision in _PRECISIONS:
        widths = [bands.width(basis, precision) for basis in BASES]
        assert widths == sorted(widths), "rows further away never give a narrower band"
        assert widths[0] < widths[-1]


@pytest.mark.slow
def test_shipped_bands_are_what_leaving_out_gives() -> None:
    fresh = fit_bands(_ROWS, calibration_digest(), growth=True)
    for stored, found in zip(calibrated_bands().bands, fresh.bands, strict=True):
        assert stored.log_width == pytest.approx(found.log_width, rel=1e-6)
    for kept, learnt in zip(calibrated_bands().growth, fresh.growth, strict=True):
        assert kept.log_per_distance == pytest.approx(learnt.log_per_distance, rel=1e-6)


@given(st.lists(st.lists(st.floats(-2, 2), min_size=1, max_size=9), min_size=1, max_size=40))
def test_widths_hold_their_share_of_clusters(clusters: list[list[float]]) -> None:
    width = width_for(dict(enumerate(clusters)))
    held = sum(sum(abs(one) <= width for one in some) / len(some) for some in clusters)
    assert held >= min(0.9 * (len(clusters) + 1), len(clusters)) - 1e-6
    assert holding(dict(enumerate(clusters))) <= width


def test_a_band_of_rows_further_away_is_never_narrower() -> None:
    def band(basis: str, log_width: float) -> Band:
        return Band.model_validate(
            {"basis": basis, "precision": "float", "log_width": log_width, "rows": 50, "clusters": 9}
        )

    bands = Bands(
        calibration_sha256="",
        coverage=COVERAGE,
        bands=(band("same conditions", 0.3), band("other devices", 1.2), band("other cores", 1.0)),
    )
    assert bands.width("other cores", "float") == 1.2
    assert bands.width("same conditions", "float") == 0.3


def test_a_device_without_rows_prints_the_band_that_leaving_devices_out_gives() -> None:
    """Nine in ten rows of every SoC left out, weighed alike, are inside the band of *other devices*."""
    bands = calibrated_bands()
    for basis, key in (("other devices", by_device), ("other cores", by_core)):
        shares: dict[object, list[bool]] = {}
        for one in leave_out(_ROWS, key):
            if one.point.basis == basis:
                inside = abs(one.log_error) <= bands.width(one.point.basis, one.row.precision)
                shares.setdefault(one.row.device.family, []).append(inside)
        assert len(shares) >= 8
        assert sum(sum(some) / len(some) for some in shares.values()) / len(shares) >= COVERAGE
        assert sum(sum(some) for some in shares.values()) / sum(map(len, shares.values())) >= COVERAGE


def test_sizes_left_out_are_smaller_or_larger_than_all_that_stay() -> None:
    seen = 0
    for one in leave_sizes_out(_ROWS):
        assert abs(one.point.distance) > 0
        seen += 1
    assert seen > 500


def test_nine_in_ten_rows_beyond_are_held_at_every_distance() -> None:
    bands = calibrated_bands()
    beyond = beyond_the_rows(_ROWS)
    for smaller in (True, False):
        for low, high in ((0, 1), (1, 2), (2, math.inf)):
            here = [
                one
                for one in beyond
                if (one.point.distance < 0) == smaller and low < abs(one.point.distance) <= high
            ]
            inside = sum(abs(one.log_error) <= bands.width_of(one.point, one.row.precision) for one in here)
            assert inside >= COVERAGE * len(here), (smaller, low)
    learnt = {one.smaller: one.log_per_distance for one in fit_growth(bands, beyond)}
    assert learnt == pytest.approx({one.smaller: one.log_per_distance for one in bands.growth})


def test_rows_left_out_are_not_in_the_fit() -> None:
    for one in leave_out(_ROWS, by_device):
        assert one.row.device.family not in {row.device.family for row in one.point.rows}
        assert query_of(one.row).device == one.row.device.name
