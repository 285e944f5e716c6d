"""The host transport: times an artifact in a fresh process on this machine."""

from __future__ import annotations

import subprocess
import sys

from pydantic import ValidationError

from fer_deploy.contract import first_problem
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact

#: Beyond the protocol's own limit: process start, imports and loading.
_START_SECONDS = 120


def time_on_host(artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
    """Return load time, cold start, latency samples and peak memory of an artifact.

    A fresh process, so that cold start is cold and memory is this artifact's own.

    Raises:
        DeviceError: the runner failed or hung.
    """
    command = [
        sys.executable,
        "-m",
        "fer_deploy.devices.host_runner",
        str(artifact.folder),
        protocol.model_dump_json(),
    ]
    limit = protocol.max_seconds + _START_SECONDS
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"timing {artifact.key} on the host took over {limit:.0f} s and was stopped"
        ) from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = done.stderr.strip().splitlines()
        raise DeviceError(
            f"timing {artifact.key} on the host failed (exit {done.returncode}): {said[-1] if said else 'no output'}"
        )
    try:
        return TimingResult.model_validate_json(lines[-1])
    except ValidationError as error:
        raise DeviceError(
            f"timing {artifact.key} on the host gave no result: {first_problem(error)}"
        ) from None
