"""``timing.json``, which the iOS demo's benchmark leaves on an iPhone: its schema, and what it says of an artifact.

Core ML runs inside apps only, so the demo is the runner. Nothing in the file is believed that can be checked here:
which artifact it is about, the phone's answers to the golden inputs, that its samples are times.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from fer_deploy.devices.runners.job import logits_in, with_golden
from fer_deploy.devices.timing import IosState, TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.targets.artifact import Artifact

#: The largest result that is read: samples of 20 s at 20,000 a second are 8 MB of text.
_LARGEST = 32 * 2**20
TIMING_FILE = "timing.json"


class _App(Frozen):
    bundle_id: str
    version: str
    build: str
    configuration: Literal["debug", "release"]


class _Device(Frozen):
    model_identifier: str = Field(pattern=r"^[A-Za-z]+[0-9]+,[0-9]+$|^[a-z0-9_]+$")
    simulator: bool
    os: str
    os_version: str
    os_build: str | None
    processors: int = Field(ge=1)
    memory_bytes: int = Field(ge=1)


class _Artifact(Frozen):
    key: str
    model: str
    target: str
    recipe: str
    file: str
    sha256: str
    contract_sha256: str
    weights_sha256: str


class _Protocol(Frozen):
    warmups: int = Field(ge=0)
    min_runs: int = Field(ge=1)
    min_seconds: float = Field(ge=0)
    max_seconds: float = Field(gt=0)


class _Vector(Frozen):
    name: str
    difference: float | None
    logits: tuple[float | None, ...]


class _Golden(Frozen):
    agrees: bool
    difference: float | None
    tolerance: float
    vectors: tuple[_Vector, ...]


class _File(Frozen):
    file: str
    sha256: str
    images: int = Field(ge=0)
    classes: int | None = None


class _State(Frozen):
    thermal_state: Literal["nominal", "fair", "serious", "critical", "unknown"]
    low_power_mode: bool
    battery_percent: float | None
    charging: bool | None
    missing: dict[str, str]

    @property
    def read(self) -> IosState:
        return IosState(
            battery_percent=self.battery_percent,
            charging=self.charging,
            thermal_state=self.thermal_state,
            low_power_mode=self.low_power_mode,
            missing=self.missing,
        )


class IosTiming(Frozen):
    """One job of the demo on one phone, as it wrote it."""

    schema_version: Literal["1.0"]
    made_by: Literal["fer-deploy iOS demo"]
    run_id: str | None
    date: str = Field(description="UTC, ISO 8601: when the job began")
    app: _App
    device: _Device
    artifact: _Artifact | None
    compute_units: str = Field(description="what Core ML was allowed; what it used, it does not tell")
    protocol: _Protocol | None = Field(description="null: logits only")
    compile_ms: float | None = Field(description="the package compiled on the phone; not part of loading")
    timing: TimingResult | None
    golden: _Golden | None
    inputs: _File | None
    logits: _File | None
    before: _State | None
    after: _State | None
    error: str | None = Field(description="one line where the job failed")

    @property
    def phone(self) -> str:
        """The phone in words, e.g. ``iPhone16,1 with iOS 17.5.1``."""
        return f"{self.device.model_identifier} with {self.device.os} {self.device.os_version}"


def read_ios_timing(path: Path) -> IosTiming:
    """Return what an iPhone's ``timing.json`` says.

    Raises:
        DeviceError: there is no such file, it is not one that the demo wrote, or it comes from a simulator.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DeviceError(f"{path} is larger than any {TIMING_FILE} that the iOS demo writes")
        result = IosTiming.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise DeviceError(
            f"{path} is no {TIMING_FILE} of the iOS demo: {first_problem(error, IosTiming)}"
        ) from None
    if result.device.simulator:
        raise DeviceError(f"{path} comes from a simulator, whose times are its Mac's; run it on an iPhone")
    return result


def is_about(result: IosTiming, artifact: Artifact) -> bool:
    """Return whether a result is of this artifact's very file, contract and weights."""
    named, info = result.artifact, artifact.info
    return named is not None and (
        named.sha256,
        named.contract_sha256,
        named.weights_sha256,
        named.target,
    ) == (
        info.sha256,
        info.contract_sha256,
        info.weights_sha256,
        info.target,
    )


def timing_of(result: IosTiming, artifact: Artifact, source: str) -> TimingResult:
    """Return the timing of an artifact, the phone's answers to the golden inputs held to golden.json once more.

    Args:
        result: of this artifact.
        artifact: the artifact.
        source: where the result comes from, for the figures' conditions.

    Raises:
        DeviceError: the job failed or took no time, or its answers do not belong to the artifact's golden inputs.
    """
    if result.error is not None:
        raise DeviceError(f"the iOS demo on {result.phone} failed: {result.error[:300]}")
    if result.timing is None or result.protocol is None or result.golden is None:
        raise DeviceError(f"the iOS demo on {result.phone} timed nothing: it was asked for logits only")
    conditions = {
        "compute units": result.compute_units,
        "phone": result.phone,
        "app": f"{result.app.bundle_id} {result.app.version} ({result.app.build}), {result.app.configuration} build",
        "taken": result.date,
        "from": source,
    }
    if result.compile_ms is not None:
        conditions["compiled on the phone in"] = f"{result.compile_ms:.0f} ms"
    timing = result.timing.model_copy(
        update={
            "runtime_version": result.timing.runtime_version.removeprefix(f"{artifact.info.runtime} "),
            "before": None if result.before is None else result.before.read,
            "after": None if result.after is None else result.after.read,
            "around": conditions,
        }
    )
    return with_golden(timing, artifact, _answers(result.golden))


def protocol_of(result: IosTiming) -> TimingProtocol | None:
    """Return the protocol that was run; None where nothing was timed."""
    return None if result.protocol is None else TimingProtocol(**result.protocol.model_dump())


def read_ios_logits(result: IosTiming, path: Path, images: int, classes: int) -> NDArray[np.float32]:
    """Return the logits float32 (N, K) in the file that the demo wrote beside a result.

    Raises:
        DeviceError: they are missing, of another size, damaged on the way, or not finite.
    """
    if result.logits is None:
        raise DeviceError(f"the iOS demo on {result.phone} returned no logits: {result.error or 'no inputs'}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(raw).hexdigest() != result.logits.sha256:
        raise DeviceError(f"{path} is not what the iOS demo on {result.phone} wrote for {images} images")
    return logits_in(
        raw,
        images,
        classes,
        f"the iOS demo on {result.phone} returned ",
        str(result.artifact and result.artifact.key),
    )


def _answers(golden: _Golden) -> NDArray[np.float32]:
    rows = [[np.nan if value is None else value for value in vector.logits] for vector in golden.vectors]
    if len({len(row) for row in rows}) > 1:
        raise DeviceError("the golden answers of the iOS demo have different numbers of classes")
    return np.array(rows, dtype=np.float32)
