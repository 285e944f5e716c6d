"""A realistic report for tests, built by the library's own measuring functions on synthetic logits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from fer_deploy.contract import Contract, InputSpec, TrainedOn
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.latency import _figures, missing_runtime
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, measured, not_measured
from fer_deploy.measure.parity import (
    Logits,
    accuracy_figures,
    missing_accuracy,
    missing_parity,
    parity_figures,
    target_parity,
)
from fer_deploy.report.schema import (
    ArtifactReport,
    CalibrationSummary,
    DatasetSummary,
    DelegationFigures,
    DeviceReport,
    ModelSummary,
    Report,
)

PLAIN_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
#: What HTML, Markdown tables, Markdown text, rich markup, matplotlib and a terminal could stumble over.
HOSTILE_LABELS = (
    "<script>alert(1)</script>",
    "a|b",
    "**bold** `code`",
    "[red]alarm[/red]",
    "[x](javascript:y) & co",
    "$\\frac{1}{2}$ {{ 7 * 7 }}",
    "na\u00efve \u65e5\u672c \x1b[31m_x_",
)
NEEDS_MACOS = "needs macOS: Core ML's predict() exists nowhere else"
NO_PHONE = "no such phone is connected | adb devices <lists> none"
#: Noise on the logits, accuracy's cousin: what quantization does to this synthetic model.
_NOISE = {"float": 1e-6, "w8a8-ptq": 0.35, "w8a8-qat": 0.15}
_SIZES = {"float": 1_652_412, "w8a8-ptq": 428_160, "w8a8-qat": 428_160}
_BACKENDS = {"executorch": "XNNPACK", "onnx": "CPUExecutionProvider", "coreml": "Core ML"}


def sample_faces(labels: tuple[str, ...] = HOSTILE_LABELS, count: int = 700) -> Faces:
    """Return labelled faces without a picture worth looking at; the last 20 leaked, row numbers not positions."""
    draw = np.random.default_rng(1)
    targets = draw.choice(len(labels), count, p=_weights(len(labels))).astype(np.int64)
    return Faces(
        name="FER+ PrivateTest",
        labels=labels,
        pixels=np.zeros((count, 1, 48, 48), dtype=np.uint8),
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.arange(count, dtype=np.int64) * 3 + 32_298,
        leaked=np.arange(count) >= count - 20,
    )


def sample_logits(faces: Faces) -> Logits:
    """Return logits (N, K) that are right on about four faces of five."""
    draw = np.random.default_rng(2)
    noise = draw.normal(0, 1.0, (len(faces), len(faces.labels)))
    return (2.2 * faces.distribution + noise).astype(np.float32)


def sample_report(labels: tuple[str, ...] = HOSTILE_LABELS) -> Report:
    """Return a report on nine artifacts of three targets, one host, and two phones that nobody measured."""
    faces = sample_faces(labels)
    logits = sample_logits(faces)
    by_key = {
        f"{target}-{recipe}": _disturbed(logits, noise, seed)
        for seed, target in enumerate(("executorch", "onnx", "coreml"))
        for recipe, noise in _NOISE.items()
    }
    artifacts = tuple(_artifact(key, logits, other, faces) for key, other in by_key.items())
    contract = Contract(
        labels=labels,
        input=InputSpec(height=48, width=48, color="grey", mean=(127.5,), std=(64.0,)),
        trained_on=TrainedOn(dataset="FER+", split="Training"),
    )
    counts = np.bincount(faces.targets, minlength=len(labels))
    per_class = {label: int(count) for label, count in zip(labels, counts, strict=True)}
    return Report(
        created="2026-01-02T03:04:05+00:00",
        command="fer-deploy run --model fer_s --data ferplus:<dir>",
        versions={"fer-deploy": "0.1.0", "torch": "2.13.0", "executorch": "1.5.1", "onnxruntime": "1.32.0"},
        model=ModelSummary(
            name="fer_s",
            source="models/fer_s",
            contract=contract,
            contract_sha256=contract.sha256,
            weights_sha256="ab" * 32,
            parameters=measured(402_311, Unit.COUNT),
            macs=measured(24_115_200, Unit.COUNT, conditions={"batch": 1}),
        ),
        dataset=DatasetSummary(name=faces.name, images=len(faces), leaked=20, per_class=per_class),
        calibration=CalibrationSummary(
            dataset="FER+ Training",
            images=256,
            per_class=per_class,
            rows=(4, 9),
            observer="histogram",
            seed=0,
        ),
        float_accuracy=accuracy_figures(logits, faces),
        artifacts=artifacts,
        between_targets=tuple(
            target_parity(
                recipe, "executorch", "onnx", (by_key[f"executorch-{recipe}"], by_key[f"onnx-{recipe}"])
            )
            for recipe in _NOISE
        ),
        devices=(
            DeviceReport(
                name="host",
                market_name="this machine",
                soc="AMD EPYC 7B13",
                os="Linux-6.1",
                transport="host",
                figures=tuple(host_runtime(key, number) for number, key in enumerate(by_key)),
            ),
            DeviceReport(
                name="pixel-8",
                market_name="Pixel 8",
                soc="Tensor G3",
                os="Android 16",
                transport="estimated",
                figures=tuple(estimated_runtime(key) for key in by_key if not key.startswith("coreml")),
            ),
            DeviceReport(
                name="iphone-15",
                market_name="iPhone 15",
                soc="A16 Bionic",
                os="iOS 19",
                transport="none",
                figures=tuple(
                    missing_runtime(stand_in(key), NEEDS_MACOS) for key in by_key if "coreml" in key
                ),
            ),
        ),
        warnings=(f"class '{labels[1]}' has only {per_class[labels[1]]} test images; its recall is coarse",),
    )


def stand_in(key: str) -> Any:
    """Return what the runtime figures ask of an Artifact: its key and its runtime's name."""
    target = key.partition("-")[0]
    runtime = {"executorch": "ExecuTorch", "onnx": "ONNX Runtime", "coreml": "Core ML"}[target]
    return SimpleNamespace(key=key, info=SimpleNamespace(runtime=runtime, target=target))


def host_runtime(key: str, seed: int = 0) -> RuntimeFigures:
    """Return host figures from 200 made-up timings; Core ML has none."""
    if key.startswith("coreml"):
        return missing_runtime(stand_in(key), NEEDS_MACOS)
    draw = np.random.default_rng(seed)
    times = draw.gamma(9.0, 0.12 if "w8a8" in key else 0.31, 200) + 0.4
    result = TimingResult(
        samples_ms=tuple(float(time) for time in times),
        load_ms=7.31,
        first_ms=4.02,
        peak_memory_bytes=None if key.startswith("onnx") else 5_242_880,
        peak_memory_reason="the runner's baseline moved while it was taken"
        if key.startswith("onnx")
        else None,
        runtime_version="1.5.1",
        threads=1,
    )
    return _figures(cast(Any, stand_in(key)), result, TimingProtocol())


def estimated_runtime(key: str) -> RuntimeFigures:
    """Return a phone's figures: an estimated median, nothing else."""
    rest = missing_runtime(stand_in(key), NO_PHONE)
    return rest.model_copy(update={"latency_p50": estimated(1.9 if "w8a8" in key else 4.4), "threads": 4})


def estimated(value: float) -> Measurement:
    """Return an estimate in milliseconds with a wide interval."""
    return Measurement(
        value=value,
        unit=Unit.MILLISECONDS,
        provenance=Provenance.ESTIMATED,
        interval=Interval(low=value * 0.7, high=value * 1.6, method="80 %, residuals of 41 published rows"),
        conditions={"threads": "4"},
    )


def _artifact(key: str, logits: Logits, other: Logits, faces: Faces) -> ArtifactReport:
    target, _, recipe = key.partition("-")
    accuracy, parity = accuracy_figures(other, faces), parity_figures(logits, other, faces)
    if key == "coreml-w8a8-ptq":
        accuracy, parity = missing_accuracy(faces, NEEDS_MACOS), missing_parity(NEEDS_MACOS)
    elif target == "coreml":
        accuracy, parity = emulated(accuracy), emulated(parity)
    return ArtifactReport(
        target=target,
        recipe=recipe,
        path=f"dist/fer_s/{key}",
        file={"executorch": "model.pte", "onnx": "model.onnx", "coreml": "model.mlpackage"}[target],
        sha256="cd" * 32,
        size=measured(_SIZES[recipe], Unit.BYTES),
        delegation=DelegationFigures(
            backend=_BACKENDS[target],
            share=(
                measured(0.97, Unit.FRACTION)
                if target == "executorch"
                else not_measured(Unit.FRACTION, f"{target} does not tell what its backend takes")
            ),
            delegates=2 if target == "executorch" else None,
            not_delegated={"aten.view_copy.default": 1} if target == "executorch" else {},
        ),
        accuracy=accuracy,
        parity=parity,
    )


def emulated(figures: Any) -> Any:
    """Return the figures with every known Measurement marked as emulated."""
    return type(figures).model_validate(_emulate(figures.model_dump(mode="json")))


def _emulate(value: Any) -> Any:
    if isinstance(value, dict):
        changed = {key: _emulate(item) for key, item in value.items()}
        if changed.get("provenance") == "measured":
            changed |= {"provenance": "emulated", "conditions": {"interpreter": "ML Program, fp16 rounding"}}
        return changed
    return [_emulate(item) for item in value] if isinstance(value, list) else value


def _disturbed(logits: Logits, noise: float, seed: int) -> Logits:
    draw = np.random.default_rng(100)
    quantization = draw.normal(0, noise, logits.shape)
    own = np.random.default_rng(200 + seed).normal(0, noise / 20, logits.shape)
    return (logits + quantization + own).astype(np.float32)


def _weights(count: int) -> np.ndarray:
    raw = np.linspace(0.5, 1.5, count)
    return raw / raw.sum()
