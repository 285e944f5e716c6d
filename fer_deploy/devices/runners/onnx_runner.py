"""Runs one ONNX model on raw float32 inputs; times it; writes logits and a TimingResult as JSON.

One file with nothing but onnxruntime and numpy, so that it can be copied to a Raspberry Pi and started
there. The same arguments and the same JSON as cpp/runner.cpp:

    python3 onnx_runner.py --model model.onnx --inputs inputs.f32 --shape 1,1,48,48 --logits logits.f32
        --result result.json --threads 1 --warmups 20 --min-runs 300 --min-seconds 1 --max-seconds 20

``--min-runs 0 --min-seconds 0`` computes logits only. ``--cores 0,1`` pins the process, ``--trace FILE``
writes the runtime's own profile. Exit codes: 0 done, 2 bad arguments or files, 3 the runtime refused
the model.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from typing import Any


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the parsed arguments."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("model", "inputs", "shape", "logits", "result"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("threads", "warmups", "min-runs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("min-seconds", "max-seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--cores", default="")
    parser.add_argument("--trace", default="")
    return parser.parse_args(argv)


def resident(field: str) -> int:
    """Return a field of /proc/self/status in bytes (the kernel's kB are 1024 bytes)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - one file, no imports to spare
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


class PeakMemory:
    """Peak resident memory from now on, above what is resident now; Linux only."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._start = 0
        try:
            gc.collect()
            with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:  # noqa: PTH123
                clear.write("5")  # resets VmHWM (proc(5))
            self._start = resident("VmRSS")
        except OSError as error:
            self.reason = f"the peak cannot be reset on this system: {error}"

    def bytes(self) -> int | None:
        """Return the peak so far, or None with :attr:`reason` set."""
        return None if self.reason else max(0, resident("VmHWM") - self._start)


class ContentionMeter:
    """What else wants the processors from now on, by what Linux tells under /proc.

    Attributes:
        missing: figure to why it is not known.
    """

    #: Seconds between two looks at the run queue, each of which takes some 50 us, outside of any sample.
    INTERVAL = 0.05

    def __init__(self, threads: int) -> None:
        self.missing: dict[str, str] = {}
        self._threads = threads
        self._others: list[int] = []
        self._began = self._looked = time.perf_counter()
        self._waited = self._of("wait_share", self._waited_seconds)
        self._ticks = self._of("steal_share", self._steal_and_all)

    def _of(self, name: str, read: Any) -> Any:
        try:
            return read()
        except (OSError, ValueError, IndexError) as error:
            self.missing[name] = f"this system does not tell: {error}"
            return None

    @staticmethod
    def _waited_seconds() -> float:
        """Return how long this thread has been ready to run and did not (schedstat's second field, ns)."""
        with open("/proc/thread-self/schedstat", encoding="ascii") as stream:  # noqa: PTH123
            return int(stream.read().split()[1]) / 1e9

    @staticmethod
    def _steal_and_all() -> tuple[int, int]:
        """Return stolen ticks and all ticks of the machine (proc(5), /proc/stat, without guests)."""
        with open("/proc/stat", encoding="ascii") as stream:  # noqa: PTH123
            ticks = [int(word) for word in stream.readline().split()[1:9]]
        return ticks[7], sum(ticks)

    @staticmethod
    def _running() -> int:
        with open("/proc/loadavg", encoding="ascii") as stream:  # noqa: PTH123
            return int(stream.read().split()[3].partition("/")[0])

    def look(self) -> None:
        """Count what is ready to run besides the timing itself, now and then."""
        now = time.perf_counter()
        if "others_running" in self.missing or now - self._looked < self.INTERVAL:
            return
        self._looked = now
        running = self._of("others_running", self._running)
        if running is not None:
            self._others.append(max(0, running - self._threads))

    def result(self) -> dict[str, Any]:
        """Return the fields of fer-deploy's Contention."""
        wall = time.perf_counter() - self._began
        if not self._others:
            self.missing.setdefault("others_running", "the samples were over before the first look")
        waited = None if self._waited is None else self._waited_seconds() - self._waited
        stolen = None
        if self._ticks is not None:
            before, after = self._ticks, self._steal_and_all()
            if after[1] > before[1]:
                stolen = (after[0] - before[0]) / (after[1] - before[1])
            else:
                self.missing["steal_share"] = "the samples were over within one tick"
        return {
            "processors": os.cpu_count() or 1,
            "wait_share": None if waited is None else min(1.0, waited / wall),
            "others_running": sum(self._others) / len(self._others) if self._others else None,
            "steal_share": stolen,
            "missing": self.missing,
        }


def write(path: str, data: bytes) -> None:
    """Write a file beside its goal and rename it, so that no reader sees half of it."""
    try:
        with open(path + ".partial", "wb") as stream:  # noqa: PTH123
            stream.write(data)
        os.replace(path + ".partial", path)  # noqa: PTH105
    except OSError as error:
        sys.exit(refuse(2, f"cannot write {path}: {error.strerror}"))


def refuse(code: int, message: str) -> int:
    """Print one line on stderr and return the exit code."""
    print(message, file=sys.stderr)
    return code


def main(argv: list[str]) -> int:
    """Run the job that ``argv`` describes and return the exit code."""
    arguments = parse(argv)
    # ONNX Runtime >= 1.29 sends the model's name and hash home and writes to ~/.cache (microsoft/onnxruntime#27379)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import numpy as np
        import onnxruntime
    except ImportError as error:
        return refuse(2, f"{error}; install it here: python3 -m pip install onnxruntime numpy")
    shape = tuple(int(side) for side in arguments.shape.split(","))
    try:
        images = np.fromfile(arguments.inputs, dtype="<f4").reshape(-1, *shape)
    except (OSError, ValueError) as error:
        return refuse(2, f"{arguments.inputs} does not hold whole images of {shape}: {error}")
    if len(images) == 0:
        return refuse(2, f"{arguments.inputs} holds no image")
    if arguments.cores:
        try:
            os.sched_setaffinity(0, [int(core) for core in arguments.cores.split(",")])
        except (OSError, AttributeError, ValueError) as error:
            return refuse(2, f"cannot pin to the cores {arguments.cores}: {error}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if arguments.trace:
        options.enable_profiling = True
        options.profile_file_prefix = arguments.trace
    memory = PeakMemory()
    began = time.perf_counter()
    try:
        session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exception classes have no common public base
        return refuse(3, f"ONNX Runtime cannot load the model: {str(error).strip().splitlines()[0]}")
    loaded = time.perf_counter()
    name = session.get_inputs()[0].name

    def run(pixels: Any) -> Any:
        return session.run(None, {name: pixels})[0]

    logits = [run(images[0])]
    first = time.perf_counter()
    logits += [run(pixels) for pixels in images[1:]]
    for index in range(arguments.warmups):
        run(images[index % len(images)])
    samples: list[float] = []
    total = 0.0
    gc.disable()
    contention = ContentionMeter(arguments.threads)
    while (
        len(samples) < arguments.min_runs or total < arguments.min_seconds
    ) and total < arguments.max_seconds:
        pixels = images[len(samples) % len(images)]
        start = time.perf_counter()
        run(pixels)
        took = time.perf_counter() - start
        samples.append(1000 * took)
        total += took
        contention.look()
    around = contention.result()
    peak = memory.bytes()
    if arguments.trace:
        os.replace(session.end_profiling(), arguments.trace)  # noqa: PTH105
    write(arguments.logits, np.concatenate(logits).astype("<f4").tobytes())
    result = {
        "runtime_version": onnxruntime.__version__,
        "threads": arguments.threads,
        "load_ms": 1000 * (loaded - began),
        "first_ms": 1000 * (first - loaded),
        "samples_ms": samples,
        "peak_memory_bytes": peak,
        "peak_memory_reason": memory.reason,
        "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "contention": around,
    }
    write(arguments.result, json.dumps(result).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
