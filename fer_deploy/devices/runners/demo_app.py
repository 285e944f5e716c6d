"""Jobs for the benchmark entry of the Android demo: the way to time what no native runner can run on a phone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.runners.job import INPUTS, LOGITS, RESULT, Job, make_job, runners_of
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import DeviceError
from fer_deploy.files import write_atomic
from fer_deploy.targets.artifact import GOLDEN_FILE, INFO_FILE, Artifact
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import target_class

RUNNER = Path(__file__).resolve().parent / "demo_runner.sh"
PACKAGE = "org.ferdeploy.demo"
#: Says on the phone whether the demo is installed: prints ``package:PATH`` when it is.
IS_INSTALLED = f"pm path {PACKAGE} 2>/dev/null || true"
INSTALL_HINT = (
    "install the Android demo: android_demo/build-apk.sh, then adb install -r android_demo/build/fer-demo.apk"
)


def clean_up(folder: str) -> str:
    """Return the command line that ends the demo and removes its results, if it was driven from ``folder``."""
    remove = f"am force-stop {PACKAGE}; rm -rf /sdcard/Android/data/{PACKAGE}/files/run"
    return f"[ ! -e {folder}/{RUNNER.name} ] || {{ {remove}; }}"


def make_demo_job(
    artifact: Artifact, scratch: Path, pixels: NDArray[np.uint8], protocol: TimingProtocol | None
) -> Job:
    """Return the job that has the demo run an artifact on uint8 pixels (N, C, H, W).

    The arguments are as of :func:`~fer_deploy.devices.runners.job.make_job`; without a protocol nothing is timed.

    Raises:
        DeviceError: cores were to be pinned, which no app can do, the demo does not run the target, or as make_job.
    """
    if protocol is not None and protocol.cores is not None:
        raise DeviceError("the Android demo cannot be pinned to cores; leave cores out")
    native = make_job(artifact, scratch, pixels, protocol)
    if Runner.ANDROID_DEMO not in runners_of(artifact.info.target):
        raise DeviceError(f"the Android demo does not run {artifact.info.target}")
    model = target_class(artifact.info.target).file
    # the artifact's own file name stays at home, so that it can replace none of the others
    info = scratch / INFO_FILE
    write_atomic(info, artifact.info.model_copy(update={"file": model}).model_dump_json())
    return Job(
        files={
            RUNNER.name: RUNNER,
            INFO_FILE: info,
            GOLDEN_FILE: artifact.folder / GOLDEN_FILE,
            model: artifact.file,
            INPUTS: native.files[INPUTS],
        },
        arguments=("sh", RUNNER.name, protocol.model_dump_json() if protocol else ""),
        outputs=(LOGITS, RESULT),
        images=native.images,
        classes=native.classes,
        what=artifact.key,
    )
