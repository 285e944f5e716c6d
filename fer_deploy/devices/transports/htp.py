"""Qualcomm's NPU on this machine: the HTP library for PCs that is in the wheel of onnxruntime-qnn. Logits, never time.

The library compiles an ONNX graph for a Hexagon generation and executes it here. Qualcomm says nowhere that what it
gives equals a phone's bit for bit; every figure from it carries :data:`EMULATION`. The generation matters: v68 and v69
round convolutions otherwise than v73 and later do (docs/npu.md), and without ``soc_model`` the library takes v68.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.devices.runners.build import cache_folder
from fer_deploy.devices.runners.job import runners_of
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.errors import DeviceError
from fer_deploy.files import sha256_of, write_atomic
from fer_deploy.progress import say, track
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import target_names

#: The provenance of every figure from here.
EMULATION = "HTP on x86; equality with a phone is not established"
RUNNER = Path(__file__).resolve().parents[1] / "runners" / "htp_runner.py"
_PACKAGE = "onnxruntime-qnn"
#: Images of one process: its start takes some seconds, and what it answered is kept when it ends.
_CHUNK = 32
#: An inference of these networks takes 0.2 to 0.9 s on one core; other loads may take most of it.
_SECONDS_PER_IMAGE, _START_SECONDS = 60.0, 600.0
Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Hexagon:
    """An NPU as the library knows it.

    Attributes:
        chip: Qualcomm's name of the chip that it is in.
        part: its number.
        soc_model: the library's number for it.
        version: the NPU's generation.
    """

    chip: str
    part: str
    soc_model: int
    version: int

    def __str__(self) -> str:
        return f"Hexagon v{self.version} ({self.chip})"

    @property
    def options(self) -> dict[str, str]:
        """The provider's options for it."""
        return {
            "soc_model": str(self.soc_model),
            "htp_arch": str(self.version),
            "htp_graph_finalization_optimization_mode": "3",
        }


#: Chip to part: qualcomm/ai-hub-models@b61a009 qai_hub_models/devices_and_chipsets.yaml (BSD-3). Part to the library's
#: number and to the generation: executorch 1.5.1, backends/qualcomm/serialization/qc_schema.py (BSD-3).
CHIPS = (
    Hexagon("Snapdragon 888", "SM8350", 30, 68),
    Hexagon("Snapdragon 8 Gen 1", "SM8450", 36, 69),
    Hexagon("Snapdragon 8 Gen 2", "SM8550", 43, 73),
    Hexagon("Snapdragon 8 Gen 3", "SM8650", 57, 75),
    Hexagon("Snapdragon 8 Elite", "SM8750", 69, 79),
    Hexagon("Snapdragon 8 Elite Gen 5", "SM8850", 87, 81),
)


def hexagon_of(profile: DeviceProfile) -> Hexagon | None:
    """Return the NPU of a profile that names one which QNN drives; None where the chip is none of :data:`CHIPS`."""
    if not any(one.kind == "npu" and "qnn" in one.delegates for one in profile.accelerators):
        return None
    chip = profile.soc.removesuffix(" for Galaxy")  # clocked higher
    return next((one for one in CHIPS if one.chip == chip), None)


@dataclass(frozen=True)
class Answer:
    """What one job of the library came to.

    Attributes:
        outputs: name to array, the pictures along the first axis; empty where the graph was refused.
        placed: (provider, operator, node) of every node.
        refused: the reason, or None.
        seconds: of all inferences.
    """

    outputs: dict[str, NDArray[np.generic]]
    placed: tuple[tuple[str, str, str], ...]
    refused: str | None
    seconds: float


class HtpTransport(Transport):
    """The NPU of a Snapdragon chip as Qualcomm's library for PCs computes it."""

    name: ClassVar[str] = "htp"

    def __init__(self, npu: Hexagon) -> None:
        """Emulate ``npu``; nothing is started yet."""
        self.npu = npu

    @property
    def device(self) -> str:
        """``emulated Hexagon v75 (Snapdragon 8 Gen 3)``."""
        return f"emulated {self.npu}"

    def obstacle(self, target: str | None = None) -> str | None:
        """Return what is missing here, or why the target's artifacts do not run on it."""
        if target is not None and Runner.HTP not in runners_of(target):
            able = ", ".join(name for name in target_names() if Runner.HTP in runners_of(name))
            return f"{target} artifacts are not run on {self.device}; {able} ones are"
        if sys.platform != "linux" or platform.machine() != "x86_64":
            return f"{self.device} needs Linux on x86-64: Qualcomm's library for it is in no other wheel of {_PACKAGE}"
        if importlib.util.find_spec("onnxruntime_qnn") is None:
            return (
                f"{self.device} needs {_PACKAGE}, which brings Qualcomm's library under Qualcomm's own licence; "
                "add it: pip install 'fer-deploy[npu]'"
            )
        return None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:  # noqa: ARG002
        """Raise DeviceError: emulated time is no latency."""
        raise DeviceError(f"{artifact.key} cannot be timed on {self.device}: emulated time is not latency")

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W); what an earlier call answered is not run again.

        Raises:
            DeviceError: something is missing here, or the library refuses the graph or a node of it.
        """
        return self.logits_of(artifact, artifact.file.read_bytes(), pixels)

    def logits_of(self, artifact: Artifact, model: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return :meth:`logits` of an ONNX file that was made of the artifact's.

        Raises:
            DeviceError: as :meth:`logits`.
        """
        self._require(artifact.info.target)
        kept = _Kept(hashlib.sha256(model).hexdigest(), self.npu)
        names = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels]
        first = {name: index for index, name in reversed(list(enumerate(names))) if name not in kept.logits}
        todo = sorted(first.values())
        if todo:
            say(f"{artifact.key} on {self.device}: {len(todo):,} images to run, {len(kept.logits):,} kept")
        for begin in track(range(0, len(todo), _CHUNK), self.device):
            chunk = todo[begin : begin + _CHUNK]
            feed = {artifact.info.input.name: pixels[chunk].astype(np.float32)}
            answer = self.run(model, feed)
            if answer.refused is not None:
                raise DeviceError(f"{self.device} does not take {artifact.key} as a whole: {answer.refused}")
            (logits,) = answer.outputs.values()
            kept.add({names[index]: row.astype(np.float32) for index, row in zip(chunk, logits, strict=True)})
            done = begin + len(chunk)
            if done < len(todo) and (begin // _CHUNK) % 4 == 3:
                say(f"{done:,} of {len(todo):,} images, {answer.seconds / len(chunk):.2f} s each")
        return np.stack([kept.logits[name] for name in names])

    def not_taken(self, model: bytes) -> tuple[str, ...]:
        """Return the nodes of an ONNX file that the library leaves to the CPU, as ``Operator node (layer)``.

        The quantization of the graph's input and the dequantization of its output are always ONNX Runtime's own and not
        among them.

        Raises:
            DeviceError: it runs in no way at all.
        """
        answer = self.run(model, {}, alone=False)
        if answer.refused is not None:
            raise DeviceError(f"{self.device} does not open the graph: {answer.refused}")
        own, layers = _known(model)
        left = [one[1:] for one in answer.placed if not one[0].startswith("QNN") and one[2] not in own]
        return tuple(
            f"{operator} {name} ({layers[name]})" if name in layers else f"{operator} {name}"
            for operator, name in left
        )

    def run(self, model: bytes, inputs: Arrays, alone: bool = True) -> Answer:
        """Return what an ONNX file of batch 1 gives to ``inputs``, the pictures along the first axis.

        Args:
            model: the file.
            inputs: by name; empty only opens the graph.
            alone: whether the graph is refused when a node of it is left to the CPU.

        Raises:
            DeviceError: the library's process ended, or took too long.
        """
        pictures = len(next(iter(inputs.values()))) if inputs else 0
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "model.onnx").write_bytes(model)
            np.savez(folder / "inputs.npz", **inputs)  # type: ignore[arg-type]  # numpy types only its own option
            job = {
                "model": "model.onnx", "inputs": "inputs.npz", "outputs": "outputs.npz", "result": "result.json",
                "options": self.npu.options, "alone": alone,
            }  # fmt: skip
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            _start(folder, _START_SECONDS + _SECONDS_PER_IMAGE * pictures, self.device)
            result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            outputs: dict[str, NDArray[np.generic]] = {}
            if pictures and result["refused"] is None:
                with np.load(folder / "outputs.npz", allow_pickle=False) as given:
                    outputs = {name: given[name] for name in given.files}
        placed = tuple((str(one[0]), str(one[1]), str(one[2])) for one in result["placed"])
        return Answer(outputs, placed, result["refused"], float(result["seconds"]))

    def _require(self, target: str) -> None:
        obstacle = self.obstacle(target)
        if obstacle is not None:
            raise DeviceError(obstacle)


def _start(folder: Path, limit: float, device: str) -> None:
    """Run the job in ``folder``; a refusal is in its result, everything else that goes wrong is a DeviceError."""
    environment = {"PATH": "", "HOME": str(folder), "ORT_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, str(RUNNER), "job.json"], cwd=folder, env=environment, capture_output=True, text=True,
            errors="replace", timeout=limit, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DeviceError(f"running on {device} took over {limit:.0f} s and was stopped") from None
    if done.returncode not in (0, 3) or not (folder / "result.json").is_file():
        lines = done.stderr.strip().splitlines()
        raise DeviceError(
            f"running on {device} failed (exit {done.returncode}): {lines[-1] if lines else 'no output'}"
        )


def _known(model: bytes) -> tuple[set[str], dict[str, str]]:
    """Return the nodes that quantize the graph's inputs and dequantize its outputs, and the layers of others."""
    import onnx

    from fer_deploy.targets.onnx.apart import layers_by_node

    loaded = onnx.load_from_string(model)
    inputs = {one.name for one in loaded.graph.input}
    outputs = {one.name for one in loaded.graph.output}
    ends = {
        node.name
        for node in loaded.graph.node
        if (node.op_type == "QuantizeLinear" and node.input[0] in inputs)
        or (node.op_type == "DequantizeLinear" and node.output[0] in outputs)
    }
    return ends, layers_by_node(loaded)


class _Kept:
    """Answers of one file on one NPU, by the digest of the picture; a file in the cache folder.

    A digest of what answers depend on names the file: model, versions, options and the runner, and not the rest of this
    package, since all test images take most of an hour.
    """

    def __init__(self, model_sha256: str, npu: Hexagon) -> None:
        versions = [importlib.metadata.version(name) for name in ("onnxruntime", _PACKAGE)]
        made_from = [model_sha256, *versions, sorted(npu.options.items()), sha256_of(RUNNER)]
        name = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        self._file = cache_folder() / "htp" / f"{name}.npz"
        self.logits: dict[str, NDArray[np.float32]] = self._read()

    def _read(self) -> dict[str, NDArray[np.float32]]:
        try:
            with np.load(self._file, allow_pickle=False) as kept:
                return dict(zip(kept["pictures"].tolist(), kept["logits"], strict=True))
        except (OSError, ValueError, KeyError, EOFError):  # not there, or damaged: as good as not there
            return {}

    def add(self, answers: dict[str, NDArray[np.float32]]) -> None:
        """Keep more answers, beside those that another process kept meanwhile."""
        self.logits |= self._read() | answers
        stream = io.BytesIO()
        np.savez(stream, pictures=np.array(list(self.logits)), logits=np.stack(list(self.logits.values())))
        write_atomic(self._file, stream.getvalue())
