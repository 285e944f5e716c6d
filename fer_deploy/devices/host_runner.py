"""Runs in its own process: ``python -m fer_deploy.devices.host_runner ARTIFACT PROTOCOL_JSON``.

Prints one line of JSON, a TimingResult.
"""

from __future__ import annotations

import gc
import importlib.metadata
import sys
import time
from pathlib import Path

import numpy as np

from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.errors import FerDeployError
from fer_deploy.targets.artifact import open_artifact
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.registry import get_target

_PACKAGES = {"executorch": "executorch", "onnx": "onnxruntime", "coreml": "coremltools"}
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _resident(field: str) -> int:
    """Return a field of /proc/self/status in bytes (the kernel's kB are 1024 bytes)."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}")


class _PeakMemory:
    """Peak resident memory from now on, above what is resident now; Linux only."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._start = 0
        try:
            gc.collect()
            _CLEAR.write_text("5", encoding="ascii")  # resets VmHWM (proc(5))
            self._start = _resident("VmRSS")
        except OSError as error:
            self.reason = f"the peak cannot be reset on this system: {error}"

    def bytes(self) -> int | None:
        """Return the peak so far, or None with :attr:`reason` set."""
        return None if self.reason else max(0, _resident("VmHWM") - self._start)


def time_artifact(folder: Path, protocol: TimingProtocol) -> TimingResult:
    """Return the timing of the artifact in ``folder`` in this process."""
    artifact = open_artifact(folder)
    target = get_target(artifact.info.target)
    target.preload()
    inputs = [
        np.ascontiguousarray(pixels, dtype=np.float32).reshape(artifact.info.input.shape)
        for pixels in golden_inputs(artifact.info.contract.input).values()
    ]
    memory = _PeakMemory()
    began = time.perf_counter()
    session = target.open(artifact.file, protocol.threads)
    loaded = time.perf_counter()
    session.run(inputs[0])
    first = time.perf_counter()
    for index in range(protocol.warmups):
        session.run(inputs[index % len(inputs)])
    samples: list[float] = []
    total = 0.0
    gc.disable()
    while (len(samples) < protocol.min_runs or total < protocol.min_seconds) and total < protocol.max_seconds:
        pixels = inputs[len(samples) % len(inputs)]
        start = time.perf_counter()
        session.run(pixels)
        took = time.perf_counter() - start
        samples.append(1000 * took)
        total += took
    peak = memory.bytes()
    return TimingResult(
        runtime_version=importlib.metadata.version(_PACKAGES[artifact.info.target]),
        threads=protocol.threads,
        load_ms=1000 * (loaded - began),
        first_ms=1000 * (first - loaded),
        samples_ms=tuple(samples),
        peak_memory_bytes=peak,
        peak_memory_reason=memory.reason,
    )


def main(folder: str, protocol_json: str) -> int:
    """Time an artifact, print the result and return the exit code; the last line of stderr says what failed."""
    try:
        result = time_artifact(Path(folder), TimingProtocol.model_validate_json(protocol_json))
    except FerDeployError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    print(result.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
