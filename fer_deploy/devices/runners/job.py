"""A job for a runner: the files it needs, the words that start it, and the results it must leave.

Names on the device are fixed here, so that no name chosen by a user ever reaches a device's shell. The benchmark entry
of the Android demo is a runner too: the way to time what no native runner can run on a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError
from fer_deploy.files import write_atomic
from fer_deploy.frozen import first_problem
from fer_deploy.targets.artifact import GOLDEN_FILE, INFO_FILE, Artifact
from fer_deploy.targets.base import Runner
from fer_deploy.targets.golden import Golden, golden_inputs
from fer_deploy.targets.registry import target_class, target_names

INPUTS, LOGITS, RESULT, TRACE = "inputs.f32", "logits.f32", "result.json", "trace.bin"
#: The argument that makes this machine's runner wait, and what it says when it does.
WHEN_TOLD, READY = "--when-told", "ready"
ONNX_RUNNER = Path(__file__).resolve().parent / "onnx_runner.py"


@dataclass(frozen=True)
class Job:
    """What to copy (name on the device to local file) and the runner's arguments."""

    files: dict[str, Path]
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    images: int
    classes: int
    what: str
    build: str = ""
    """What its figures say of the runner's build; empty where it is built as what they stand for."""


#: Runners that are started with a job's arguments.
_STARTED = frozenset({Runner.CPP, Runner.PYTHON, Runner.BROWSER})


def runners_of(target: str) -> frozenset[Runner]:
    """Return the programs that run a target's artifacts on devices; none for a target that is not known here."""
    return target_class(target).runners if target in target_names() else frozenset()


def shell_runner(target: str) -> Runner | None:
    """Return the program that a device with a shell gets for a target, C++ before Python; None where neither does."""
    found = runners_of(target)
    return next((runner for runner in (Runner.CPP, Runner.PYTHON) if runner in found), None)


def write_inputs(artifact: Artifact, scratch: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write uint8 pixels (N, C, H, W) as every runner reads them, float32, and return the file.

    Raises:
        DeviceError: the pixels are not what the artifact reads.
    """
    shape = artifact.info.input.shape
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != shape[1:] or len(pixels) == 0:
        raise DeviceError(
            f"{artifact.key} reads uint8 images of {list(shape[1:])}, got {pixels.dtype} {list(pixels.shape)}"
        )
    inputs = scratch / INPUTS
    pixels.astype("<f4").tofile(inputs)
    return inputs


def make_job(
    artifact: Artifact,
    scratch: Path,
    pixels: NDArray[np.uint8],
    protocol: TimingProtocol | None,
    trace: bool = False,
) -> Job:
    """Return the job that runs an artifact on uint8 pixels (N, C, H, W); inputs are written into ``scratch``.

    Args:
        artifact: an artifact of a target that has a runner.
        scratch: an existing folder of this process.
        pixels: the images, in the layout of the artifact's contract.
        protocol: how to time; None computes logits only.
        trace: also write the runtime's own profile to :data:`TRACE`.

    Raises:
        DeviceError: the target has no runner, or the pixels are not what the artifact reads.
    """
    target, shape = artifact.info.target, artifact.info.input.shape
    if not runners_of(target) & _STARTED:
        runnable = " and ".join(name for name in target_names() if runners_of(name) & _STARTED)
        raise DeviceError(f"there is no runner for {target}; it runs {runnable}")
    inputs = write_inputs(artifact, scratch, pixels)
    # the artifact's own name stays at home
    model = target_class(target).file
    timing = protocol or TimingProtocol()
    arguments = ["--model", model, "--inputs", INPUTS, "--shape", ",".join(str(side) for side in shape)]
    arguments += ["--logits", LOGITS, "--result", RESULT, "--threads", str(timing.threads)]
    arguments += ["--warmups", str(timing.warmups if protocol else 0)]
    arguments += ["--min-runs", str(timing.min_runs if protocol else 0)]
    arguments += ["--min-seconds", str(timing.min_seconds if protocol else 0)]
    arguments += ["--max-seconds", str(timing.max_seconds)]
    if timing.cores:
        arguments += ["--cores", ",".join(str(core) for core in timing.cores)]
    if trace:
        arguments += ["--trace", TRACE]
    return Job(
        files={model: artifact.file, INPUTS: inputs},
        arguments=tuple(arguments),
        outputs=(LOGITS, RESULT, *((TRACE,) if trace else ())),
        images=len(pixels),
        classes=artifact.info.output.shape[-1],
        what=artifact.key,
    )


def golden_pixels(artifact: Artifact) -> NDArray[np.uint8]:
    """Return the golden inputs, uint8 (N, C, H, W), on which artifacts are timed."""
    return np.stack(list(golden_inputs(artifact.info.contract.input).values()))


def read_logits(folder: Path, job: Job, device: str) -> NDArray[np.float32]:
    """Return the logits float32 (N, K) that a runner left in ``folder``.

    Raises:
        DeviceError: missing, of another size, or not finite.
    """
    try:
        raw = (folder / LOGITS).read_bytes()
    except OSError as error:
        raise DeviceError(f"{device} returned no logits of {job.what}: {error.strerror}") from None
    return logits_in(raw, job.images, job.classes, f"{device} returned garbage: ", job.what)


def logits_in(raw: bytes, images: int, classes: int, blame: str, what: str) -> NDArray[np.float32]:
    """Return the logits float32 (N, K) in the bytes that a runner wrote.

    Raises:
        DeviceError: of another size, or not finite; the sentence begins with ``blame``.
    """
    expected = 4 * images * classes
    if len(raw) != expected:
        raise DeviceError(
            f"{blame}{len(raw)} bytes of logits of {what} where {images} x {classes} float32 values are {expected}"
        )
    logits = np.frombuffer(raw, dtype="<f4").reshape(images, classes).astype(np.float32)
    if not np.isfinite(logits).all():
        raise DeviceError(f"{blame}logits of {what} that are not finite")
    return logits


def read_result(folder: Path, job: Job, device: str) -> TimingResult:
    """Return the TimingResult that a runner left in ``folder``.

    Raises:
        DeviceError: missing or not a TimingResult.
    """
    try:
        return TimingResult.model_validate_json((folder / RESULT).read_bytes())
    except OSError as error:
        raise DeviceError(f"{device} returned no timing of {job.what}: {error.strerror}") from None
    except ValidationError as error:
        raise DeviceError(
            f"{device} returned garbage instead of the timing of {job.what}: {first_problem(error)}"
        ) from None


def golden_tolerance(artifact: Artifact) -> float:
    """Return the largest difference of a logit that the artifact's golden.json allows.

    Raises:
        DeviceError: it cannot be read.
    """
    return _golden(artifact).max_abs_difference


def _golden(artifact: Artifact) -> Golden:
    path = artifact.folder / GOLDEN_FILE
    try:
        return Golden.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DeviceError(f"{path} cannot be read: {error}; export the artifact again") from None


def with_golden(result: TimingResult, artifact: Artifact, logits: NDArray[np.float32]) -> TimingResult:
    """Return the result with how far the device's logits (N, K) of the golden inputs are from golden.json.

    Raises:
        DeviceError: the artifact's golden.json cannot be read.
    """
    golden = _golden(artifact)
    expected = np.array([vector.logits for vector in golden.vectors], dtype=np.float32)
    if expected.shape != logits.shape:
        raise DeviceError(
            f"{artifact.folder / GOLDEN_FILE} does not belong to this artifact; export it again"
        )
    difference = float(np.abs(expected - logits).max())
    return result.model_copy(
        update={"golden_difference": difference, "golden_tolerance": golden.max_abs_difference}
    )


DEMO_RUNNER = Path(__file__).resolve().parent / "demo_runner.sh"
DEMO_PACKAGE = "org.ferdeploy.demo"
#: Says on the phone whether the demo is installed: prints ``package:PATH`` when it is.
DEMO_IS_INSTALLED = f"pm path {DEMO_PACKAGE} 2>/dev/null || true"
#: Begins what a build of the demo says of a target that it was built without; see Engines.kt.
DEMO_HAS_NO_RUNTIME = "has no runtime for"
DEMO_INSTALL_HINT = (
    "install the Android demo: android_demo/build-apk.sh, then adb install -r android_demo/build/fer-demo.apk"
)


def clean_up_demo(folder: str) -> str:
    """Return the command line that ends the demo and removes its results, if it was driven from ``folder``."""
    remove = f"am force-stop {DEMO_PACKAGE}; rm -rf /sdcard/Android/data/{DEMO_PACKAGE}/files/run"
    return f"[ ! -e {folder}/{DEMO_RUNNER.name} ] || {{ {remove}; }}"


def make_demo_job(
    artifact: Artifact, scratch: Path, pixels: NDArray[np.uint8], protocol: TimingProtocol | None
) -> Job:
    """Return the job that has the demo run an artifact on uint8 pixels (N, C, H, W).

    The arguments are as of :func:`~fer_deploy.devices.runners.job.make_job`; without a protocol nothing is timed.

    Raises:
        DeviceError: cores were to be pinned, which no app can do, the demo does not run the target, or the pixels are
            not what the artifact reads.
    """
    if protocol is not None and protocol.cores is not None:
        raise DeviceError("the Android demo cannot be pinned to cores; leave cores out")
    if Runner.ANDROID_DEMO not in runners_of(artifact.info.target):
        raise DeviceError(f"the Android demo does not run {artifact.info.target}")
    inputs = write_inputs(artifact, scratch, pixels)
    model = target_class(artifact.info.target).file
    # the artifact's own file name stays at home, so that it can replace none of the others
    info = scratch / INFO_FILE
    write_atomic(info, artifact.info.model_copy(update={"file": model}).model_dump_json())
    return Job(
        files={
            DEMO_RUNNER.name: DEMO_RUNNER,
            INFO_FILE: info,
            GOLDEN_FILE: artifact.folder / GOLDEN_FILE,
            model: artifact.file,
            INPUTS: inputs,
        },
        arguments=("sh", DEMO_RUNNER.name, protocol.model_dump_json() if protocol else ""),
        outputs=(LOGITS, RESULT),
        images=len(pixels),
        classes=artifact.info.output.shape[-1],
        what=artifact.key,
    )
