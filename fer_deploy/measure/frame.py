"""What one camera frame costs: finding the face, cropping it, classifying it, smoothing the answer over time.

The time that a network takes is not the time that a user waits. Each stage is measured, estimated or not measured
with a reason, and set against the time of a frame.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from fer_deploy.contract import Contract
from fer_deploy.data.preprocess import face_pixels
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.npu import npu_rows
from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.frozen import Frozen
from fer_deploy.measure.estimate import estimated_latency
from fer_deploy.measure.measurement import (
    Interval,
    Measurement,
    Provenance,
    Unit,
    estimated,
    measured,
    not_measured,
)
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.targets.prediction import softmax

#: A VGA camera frame and a face that fills a third of its height, in pixels: left, top, right, bottom.
FRAME_SIZE, FACE_BOX = (640, 480), (240, 160, 400, 320)
#: Time constant of the demos' smoothing, seconds.
SMOOTHING_SECONDS = 0.5
_WARMUPS, _RUNS = 20, 200
#: BlazeFace's input side, arXiv:1907.05047.
_DETECTOR_PX = 128
#: The part of qualcomm/ai-hub-models' MediaPipe face model that finds faces.
_NPU_DETECTOR = "FaceDetector"

Fit = Literal["fits", "does not fit", "may not fit", "not known"]


class FrameStage(Frozen):
    """One step of a frame."""

    name: str
    what: str = Field(description="what exactly was timed or estimated")
    latency: Measurement


class FrameBudget(Frozen):
    """All stages of one frame against its time."""

    device: str
    frame_ms: float = Field(gt=0)
    stages: tuple[FrameStage, ...]
    total: Measurement
    verdict: Fit

    @property
    def left_ms(self) -> float:
        """What the known stages leave of the frame, at their upper ends; negative when they exceed it."""
        return self.frame_ms - sum(_ends(stage.latency)[1] for stage in self.stages if stage.latency.known)


def frame_budget(
    profile: DeviceProfile, contract: Contract, classification: Measurement, frame_ms: float, threads: int = 1
) -> FrameBudget:
    """Return the budget of one frame on a device.

    Args:
        profile: the device.
        contract: of the model; says what the crop becomes.
        classification: the latency of one inference there, measured, estimated or neither.
        frame_ms: time of a frame: 33.3 at 30 frames a second.
        threads: CPU threads of the detector.
    """
    stages = (
        _detection(profile, threads),
        FrameStage(
            name="crop and resize",
            what=f"{FRAME_SIZE[0]}x{FRAME_SIZE[1]} frame, {FACE_BOX[2] - FACE_BOX[0]} px face, reference code",
            latency=_crop(profile, contract),
        ),
        FrameStage(name="classification", what="one inference", latency=classification),
        FrameStage(
            name="smoothing",
            what="softmax and exponential smoothing, reference code",
            latency=_smoothing(profile, contract),
        ),
    )
    total = _total(stages)
    return FrameBudget(
        device=profile.market_name,
        frame_ms=frame_ms,
        stages=stages,
        total=total,
        verdict=_verdict(stages, frame_ms),
    )


def _detection(profile: DeviceProfile, threads: int) -> FrameStage:
    rows = [
        row
        for row in npu_rows()
        if row.soc == profile.soc and row.component == _NPU_DETECTOR and row.precision == "int8"
    ]
    if rows:
        times = sorted(row.milliseconds for row in rows)
        figure = estimated(
            times[len(times) // 2],
            Unit.MILLISECONDS,
            Interval(low=times[0], high=times[-1], method="range of the published figures"),
            {
                "calibration": f"{len(rows)} rows: {rows[0].source}",
                "device": profile.market_name,
                "runtime": "NPU",
            },
        )
        return FrameStage(
            name="face detection", what="MediaPipe face detector, 256 px, int8, NPU", latency=figure
        )
    name = f"BlazeFace without its heads, {_DETECTOR_PX} px, CPU"
    if not profile.cores:
        reason = "no face detector is part of this package; the apps use the system's own"
        return FrameStage(
            name="face detection",
            what="the system's detector",
            latency=not_measured(Unit.MILLISECONDS, reason),
        )
    blazeface = network("blazeface", _DETECTOR_PX)
    assert blazeface is not None
    figure = estimated_latency(profile, blazeface, "float", "tflite", threads)
    return FrameStage(name="face detection", what=name, latency=figure)


def _crop(profile: DeviceProfile, contract: Contract) -> Measurement:
    if profile.transport != "host":
        return _elsewhere(profile, "crop and resize")
    generator = np.random.default_rng(0)
    frame = Image.fromarray(generator.integers(0, 256, (FRAME_SIZE[1], FRAME_SIZE[0], 3), dtype=np.uint8))
    return _timed(lambda: face_pixels(frame, contract.input, FACE_BOX))


def _smoothing(profile: DeviceProfile, contract: Contract) -> Measurement:
    if profile.transport != "host":
        return _elsewhere(profile, "smoothing")
    logits = np.linspace(-1, 1, len(contract.labels), dtype=np.float32)[None]
    state = np.full(len(contract.labels), 1 / len(contract.labels))
    return _timed(lambda: smoothed(state, softmax(logits)[0], elapsed=1 / 30))


def _elsewhere(profile: DeviceProfile, stage: str) -> Measurement:
    return not_measured(
        Unit.MILLISECONDS,
        f"the app on {profile.market_name} does its own {stage}, which is not timed from here",
    )


def smoothed(
    state: NDArray[np.float64], probabilities: NDArray[np.float64], elapsed: float
) -> NDArray[np.float64]:
    """Return probabilities float64 (K,) smoothed over time as the demos do it.

    After :data:`SMOOTHING_SECONDS` without change 63 % of a step has arrived, whatever the frame rate.

    Args:
        state: float64 (K,), what was returned for the last frame.
        probabilities: float64 (K,), of this frame.
        elapsed: seconds since the last frame.
    """
    return state + (1 - math.exp(-elapsed / SMOOTHING_SECONDS)) * (probabilities - state)


def _timed(work: Callable[[], object]) -> Measurement:
    for _ in range(_WARMUPS):
        work()
    samples = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        work()
        samples.append(1000 * (time.perf_counter() - began))
    array = np.array(samples)
    return measured(
        float(np.median(array)),
        Unit.MILLISECONDS,
        quantile_interval(array, 0.5),
        {"runs": _RUNS, "warm-ups": _WARMUPS, "code": "Python reference, not the apps'"},
        tuple(samples),
    )


def _ends(figure: Measurement) -> tuple[float, float]:
    assert figure.value is not None
    if figure.interval is None:
        return figure.value, figure.value
    return figure.interval.low, figure.interval.high


def _total(stages: tuple[FrameStage, ...]) -> Measurement:
    missing = [stage.name for stage in stages if not stage.latency.known]
    if missing:
        return not_measured(Unit.MILLISECONDS, f"no figure for {', '.join(missing)}")
    value = sum(stage.latency.value or 0.0 for stage in stages)
    ends = [_ends(stage.latency) for stage in stages]
    interval = Interval(
        low=sum(low for low, _ in ends), high=sum(high for _, high in ends), method="sum of the stages' ends"
    )
    kinds = {stage.latency.provenance for stage in stages}
    if kinds == {Provenance.MEASURED}:
        return measured(value, Unit.MILLISECONDS, interval, {"stages": "one after the other"})
    return estimated(value, Unit.MILLISECONDS, interval, {"stages": "one after the other"})


def _verdict(stages: tuple[FrameStage, ...], frame_ms: float) -> Fit:
    ends = [_ends(stage.latency) for stage in stages if stage.latency.known]
    low, high = sum(end[0] for end in ends), sum(end[1] for end in ends)
    if low > frame_ms:
        return "does not fit"
    if len(ends) < len(stages):
        return "not known"
    return "fits" if high <= frame_ms else "may not fit"
