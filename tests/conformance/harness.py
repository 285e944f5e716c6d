"""Each network through the pipeline's own calls to every artifact, and each artifact held to torch.

The artifacts of ONNX, ExecuTorch and LiteRT are run by their runtimes' own calls, not by fer-deploy; Core ML packages
by the project's interpreter.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray

from conformance import factories
from conformance.faces import CONTRACT, bench
from conformance.lively import lively
from conformance.reference import quantized_logits
from conformance.registry import NETWORKS, Network
from fer_deploy.errors import FerDeployError
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.config import ExportSection
from fer_deploy.pipeline.export import Graphs, write_artifact_of
from fer_deploy.quiet import quiet
from fer_deploy.report.schema import MissingArtifact
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import get_target, target_class

TARGETS = ("executorch", "onnx", "coreml", "litert")
#: Those that run here: a target that needs an extra is held to the list where the extra is installed.
HERE = tuple(
    name for name in TARGETS if target_class(name).extra is None or get_target(name).host_obstacle() is None
)
RECIPES = ("float", "w8a8-ptq")
#: SQNR of an int8 artifact, dB, that is enough whatever a graph has that torchao quantizes alone.
ENOUGH = 25.0
#: The floor where torchao makes no graph.
INT8_FLOOR = 15.0

#: What to do instead, in a refusal: an imperative behind a comma, a colon or a semicolon, or what is needed.
_WAY_OUT = re.compile(
    r"[;:,] (\w+ )?(call|choose|correct|drop|exchange|export|give|keep|leave|look|lower|make|move|name|pass|put|raise|"
    r"remove|replace|rewrite|set|split|take|train|use|wrap|write)\b|[;:,] .* (needs|must) "
)

Kind = Literal["right", "refused", "wrong"]


@dataclass(frozen=True)
class Verdict:
    """What became of one artifact.

    Attributes:
        kind: right, refused in one sentence, or wrong.
        sqnr: of the logits against torch, dB, where an artifact was written.
        agreement: share of faces with the same answer as torch's.
        reference: SQNR of an int8 graph by torchao alone, dB, where the verdict hung on it.
        text: the refusal, or what is wrong.
    """

    kind: Kind
    sqnr: float | None = None
    agreement: float | None = None
    reference: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Subject:
    """A network on its way through the pipeline.

    Attributes:
        network: what it was made of.
        module: lively.
        wanted: torch's logits of the test faces, None where torch has no one answer for a face.
        reference: gives the SQNR of torchao's int8 graph, dB, None where there is none; made when first asked for.
    """

    network: Network
    module: torch.nn.Module
    wanted: NDArray[np.float32] | None
    reference: Callable[[], float | None]


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Return what the network takes: (pixels - 128) / 64."""
    return (torch.from_numpy(pixels.astype(np.float32)) - 128) / 64


def subject(network: Network) -> Subject:
    """Return a network made lively, torch's logits of the test faces and how to get the reference's SQNR."""
    faces = bench()
    calibration, test = normalised(faces.calibration.faces.pixels), normalised(faces.test.pixels)
    answers = "*" not in network.refused or network.or_right
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = lively(network.make, network.after, calibration)
        except Exception:  # e.g. it takes two inputs
            if answers:
                raise
            module = network.make().eval()
    if not answers:
        return Subject(network, module, None, lambda: None)
    with torch.no_grad():
        wanted = torch.cat([module(one[None]) for one in test]).float().numpy()

    @functools.cache
    def reference() -> float | None:
        with quiet():
            answer = quantized_logits(module, calibration.numpy(), test.numpy())
        return None if answer is None else sqnr(answer, wanted)

    return Subject(network, module, wanted, reference)


def sqnr(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return the ratio of what the logits tell of the face to the error, dB, 200 at most."""
    signal = float(((wanted - wanted.mean(0)) ** 2).sum(dtype=np.float64))
    noise = float(((got.astype(np.float64) - wanted) ** 2).sum())
    if not np.isfinite(noise) or signal == 0:
        return -200.0
    return float(10 * np.log10(signal / max(noise, signal * 1e-20)))


def load(network: Network, module: torch.nn.Module, folder: Path) -> Model:
    """Return the network as the command line loads it: a factory, a contract and a file of weights."""
    contract, weights = folder / "contract.toml", folder / "weights.pt"
    contract.write_text(tomli_w.dumps({"contract": CONTRACT.model_dump(mode="json")}))
    torch.save(module.state_dict(), weights)
    if network.name not in NETWORKS:
        factories.DRAWN[network.name] = network.make
    return load_model(f"conformance.factories:{network.name}", contract, weights)


def write(model: Model, graphs: Graphs, target: str, recipe: str, output: Path) -> Artifact | str:
    """Write one artifact as ``fer-deploy export`` does, or return the reason why it cannot be made."""
    section = ExportSection(targets=(target,), recipes=(recipe,), output=output)
    made = write_artifact_of(model, (target, recipe), graphs, bench().calibration, section)
    return made.reason if isinstance(made, MissingArtifact) else made.artifact


def run(artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an artifact's logits by the calls of its runtime."""
    values = pixels.astype(np.float32)
    if artifact.info.target == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(artifact.file), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: one[None]})[0] for one in values])
    if artifact.info.target == "executorch":
        from executorch.runtime import Runtime

        program = Runtime.get().load_program(artifact.file.read_bytes())  # kept: its method points into it
        method = program.load_method("forward")
        rows = [method.execute([torch.from_numpy(one[None].copy())])[0].numpy().copy() for one in values]
        return np.concatenate(rows)
    if artifact.info.target == "litert":
        from ai_edge_litert.interpreter import Interpreter

        opened = Interpreter(str(artifact.file), num_threads=1)
        opened.allocate_tensors()
        source, goal = opened.get_input_details()[0]["index"], opened.get_output_details()[0]["index"]
        rows = []
        for one in values:
            opened.set_tensor(source, one[None])
            opened.invoke()
            rows.append(opened.get_tensor(goal))
        return np.concatenate(rows)
    return get_target("coreml").open(artifact.file, 1).run_batch(values)


def check(
    network: Network, targets: tuple[str, ...] = HERE, recipes: tuple[str, ...] = RECIPES
) -> dict[tuple[str, str], Verdict]:
    """Return the verdict on a network's artifact for each pair of target and recipe."""
    made = subject(network)
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "dist"
        try:
            with _silence():
                model = load(network, made.module, Path(scratch))
        except Exception as error:  # a refusal, or what a user would see as a traceback
            return {(target, recipe): _failed(error, output) for recipe in recipes for target in targets}
        graphs = Graphs(model, bench().calibration)
        return {
            (target, recipe): _check_one(made, model, graphs, target, recipe, output)
            for recipe in recipes
            for target in targets
        }


def _check_one(
    made: Subject, model: Model, graphs: Graphs, target: str, recipe: str, output: Path
) -> Verdict:
    try:
        with _silence():
            artifact = write(model, graphs, target, recipe, output / f"{target}-{recipe}")
    except Exception as error:  # a refusal, or what a user would see as a traceback
        return _failed(error, output)
    if isinstance(artifact, str):
        return _refusal(artifact, output / f"{target}-{recipe}")
    if made.wanted is None:
        return Verdict("wrong", text="not refused")
    try:
        with quiet():
            got = run(artifact, bench().test.pixels)
    except Exception as error:  # the runtime refuses what was written
        return Verdict("wrong", text=f"does not run: {type(error).__name__}: {_one_line(error)}")
    return judged(made, made.wanted, got, recipe)


def judged(made: Subject, wanted: NDArray[np.float32], got: NDArray[np.float32], recipe: str) -> Verdict:
    """Return the verdict on an artifact's logits ``got`` where torch's are ``wanted``."""
    if got.shape != wanted.shape:
        return Verdict("wrong", text=f"logits of shape {got.shape}, torch gives {wanted.shape}")
    ratio = sqnr(got, wanted)
    agreement = float((got.argmax(1) == wanted.argmax(1)).mean())
    if recipe == "float":
        return Verdict("right" if ratio >= made.network.float_floor else "wrong", ratio, agreement)
    if ratio >= ENOUGH:
        return Verdict("right", ratio, agreement)
    reference = made.reference()
    floor = INT8_FLOOR if reference is None else reference - made.network.below_reference
    return Verdict("right" if ratio >= floor else "wrong", ratio, agreement, reference)


def _failed(error: Exception, output: Path) -> Verdict:
    """Return the verdict on an error: a refusal is one of fer-deploy's, any other a user sees as a traceback."""
    if isinstance(error, FerDeployError):
        return _refusal(str(error), output)
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return Verdict("wrong", text=f"traceback: {type(error).__name__}: {_one_line(error)} ({where})")


def _refusal(text: str, output: Path) -> Verdict:
    """Return the verdict on a refusal: one sentence with a way out, and nothing of the artifact left."""
    left = [path for path in output.rglob("*") if path.is_file()]
    if left:
        return Verdict("wrong", text=f"refused, but left {left[0].name}: {text}")
    if not text.strip() or "\n" in text:
        return Verdict("wrong", text=f"refused in other than one line: {text!r}")
    if "\x1b" in text or "/tmp/" in text:
        return Verdict("wrong", text=f"refused with what no user can read: {text!r}")
    if not _WAY_OUT.search(text):
        return Verdict("wrong", text=f"refused without a way out: {text}")
    return Verdict("refused", text=text)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the pipeline's progress off stderr."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
