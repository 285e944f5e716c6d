"""Runs in its own process and times, or runs, an artifact with its target's Python runtime.

``python -m fer_deploy.devices.runners.host_runner ARTIFACT PROTOCOL_JSON`` prints one line of JSON, a TimingResult;
``... --pair ARTIFACT ARTIFACT PROTOCOL_JSON`` times two artifacts of one target in turns and prints a PairTiming;
``... --logits ARTIFACT PIXELS.npy LOGITS.f32`` writes logits as raw float32.
``... --trace ARTIFACT PROTOCOL_JSON TRACE`` writes the profile of a runtime that gives one itself.
With ``--when-told`` before ARTIFACT it prints ``ready`` once the runtime is imported, and times when a line comes on
stdin. A target that was registered from outside the package stands before any of them, as ``--target MODULE:CLASS``.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fer_deploy.devices.runners.job import READY, WHEN_TOLD, golden_pixels, with_golden
from fer_deploy.devices.runners.onnx_runner import ContentionMeter, PeakMemory
from fer_deploy.devices.timing import Contention, PairTiming, TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError, FerDeployError
from fer_deploy.heap import end_without_collecting
from fer_deploy.quantize.graph import batches
from fer_deploy.targets.artifact import open_artifact
from fer_deploy.targets.registry import get_target, register


def time_artifact(
    folder: Path, protocol: TimingProtocol, ready: Callable[[], None] = lambda: None
) -> TimingResult:
    """Return the timing of the artifact in ``folder`` in this process, taken once ``ready`` returns."""
    artifact = open_artifact(folder)
    target = get_target(artifact.info.target)
    target.preload()
    inputs = list(batches(golden_pixels(artifact), 1, "golden inputs"))
    if protocol.cores is not None:
        try:
            os.sched_setaffinity(0, protocol.cores)
        except AttributeError:
            raise DeviceError("this system lets no program choose its cores; leave cores out") from None
        except OSError as error:
            raise DeviceError(f"cannot pin to the cores {list(protocol.cores)}: {error}") from None
    ready()
    memory = PeakMemory()
    began = time.perf_counter()
    session = target.open(artifact.file, protocol.threads)
    loaded = time.perf_counter()
    logits = [session.run(inputs[0])]
    first = time.perf_counter()
    logits += [session.run(pixels) for pixels in inputs[1:]]
    for index in range(protocol.warmups):
        session.run(inputs[index % len(inputs)])
    samples: list[float] = []
    total = 0.0
    gc.disable()
    contention = ContentionMeter(protocol.threads)
    while (len(samples) < protocol.min_runs or total < protocol.min_seconds) and total < protocol.max_seconds:
        pixels = inputs[len(samples) % len(inputs)]
        start = time.perf_counter()
        session.run(pixels)
        took = time.perf_counter() - start
        samples.append(1000 * took)
        total += took
        contention.look()
    around = contention.result()
    peak = memory.bytes()
    result = TimingResult(
        runtime_version=importlib.metadata.version(target.package),
        threads=protocol.threads,
        load_ms=1000 * (loaded - began),
        first_ms=1000 * (first - loaded),
        samples_ms=tuple(samples),
        peak_memory_bytes=peak,
        peak_memory_reason=memory.reason,
        cores=tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else None,
        contention=Contention.model_validate(around),
    )
    return with_golden(result, artifact, np.concatenate(logits))


def time_pair(folders: Sequence[Path], protocol: TimingProtocol) -> PairTiming:
    """Return samples of the artifacts in two folders that take turns in this process.

    Loaded in the order of the folders, and timed in pairs, every second pair backwards: the protocol's warm-ups, runs
    and seconds count for each of the two.
    """
    artifacts = [open_artifact(folder) for folder in folders]
    target = get_target(artifacts[0].info.target)
    target.preload()
    sessions = [target.open(artifact.file, protocol.threads) for artifact in artifacts]
    inputs = [list(batches(golden_pixels(artifact), 1, "golden inputs")) for artifact in artifacts]
    for index in range(protocol.warmups):
        for session, images in zip(sessions, inputs, strict=True):
            session.run(images[index % len(images)])
    samples: tuple[list[float], list[float]] = ([], [])
    totals = [0.0, 0.0]
    gc.disable()
    contention = ContentionMeter(protocol.threads)
    while (len(samples[0]) < protocol.min_runs or min(totals) < protocol.min_seconds) and max(
        totals
    ) < protocol.max_seconds:
        pair = len(samples[0])
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            image = inputs[which][pair % len(inputs[which])]
            start = time.perf_counter()
            sessions[which].run(image)
            took = time.perf_counter() - start
            samples[which].append(1000 * took)
            totals[which] += took
        contention.look()
    return PairTiming(
        first_ms=tuple(samples[0]),
        second_ms=tuple(samples[1]),
        in_turns=True,
        contention=Contention.model_validate(contention.result()),
    )


def write_logits(folder: Path, pixels: Path, goal: Path) -> None:
    """Write the logits of an artifact, raw float32 (N, K), of the uint8 (N, C, H, W) array in an .npy file."""
    artifact = open_artifact(folder)
    session = get_target(artifact.info.target).open(artifact.file, 1)
    logits = [session.run(batch) for batch in batches(np.load(pixels), 1, f"running {artifact.key}")]
    np.concatenate(logits).astype("<f4").tofile(goal)


def write_trace(folder: Path, protocol: TimingProtocol, goal: Path) -> None:
    """Write the runtime's own profile of an artifact, warm-ups included, on the golden inputs."""
    artifact = open_artifact(folder)
    session = get_target(artifact.info.target).open(artifact.file, protocol.threads)
    inputs = list(batches(golden_pixels(artifact), 1, "golden inputs"))
    goal.write_bytes(session.trace(inputs, protocol.warmups + protocol.min_runs))


def _told() -> None:
    """Say that all is imported, and wait to be told to go on.

    Raises:
        DeviceError: nobody will.
    """
    print(READY, flush=True)
    if not sys.stdin.readline():
        raise DeviceError("the timing was called off")


def main(*arguments: str) -> int:
    """Do what the arguments ask and return the exit code; the last line of stderr says what failed."""
    end_without_collecting()
    try:
        if arguments[0] == "--target":
            register(pkgutil.resolve_name(arguments[1]))
            arguments = arguments[2:]
        if arguments[0] == "--logits":
            write_logits(*(Path(argument) for argument in arguments[1:4]))
        elif arguments[0] == "--pair":
            protocol = TimingProtocol.model_validate_json(arguments[3])
            print(time_pair([Path(folder) for folder in arguments[1:3]], protocol).model_dump_json())
        elif arguments[0] == "--trace":
            protocol = TimingProtocol.model_validate_json(arguments[2])
            write_trace(Path(arguments[1]), protocol, Path(arguments[3]))
        elif arguments[0] == WHEN_TOLD:
            protocol = TimingProtocol.model_validate_json(arguments[2])
            print(time_artifact(Path(arguments[1]), protocol, _told).model_dump_json())
        else:
            protocol = TimingProtocol.model_validate_json(arguments[1])
            print(time_artifact(Path(arguments[0]), protocol).model_dump_json())
    except FerDeployError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
