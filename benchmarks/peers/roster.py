"""Who takes part, on which networks, and what a user writes for it."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import io
import textwrap
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import InputSpec
from fer_deploy.model import Model, load_model

#: Where benchmarks/peers/train.py puts the second network, and where files are made.
ROOT = Path("build/peers")
MOBILENET = "mobilenet_v3_small"
#: What travels into the result and the page.
PACKAGES = (
    "torch",
    "torchao",
    "executorch",
    "onnx",
    "onnxruntime",
    "nncf",
    "olive-ai",
    "litert-torch",
    "ai-edge-quantizer",
    "ai-edge-litert",
    "numpy",
)
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Entrant:
    """One way to an int8 file.

    Attributes:
        key: of its folder and in the result.
        name: for people.
        target: fer-deploy's name of the runtime that its file is for.
        module: of the user's code.
        function: the user's code.
    """

    key: str
    name: str
    target: str
    module: str
    function: str = "quantize"

    @property
    def ours(self) -> bool:
        """True where fer-deploy makes the file."""
        return self.module == "peers.peer_fer_deploy"

    def code(self) -> Callable[..., None]:
        """Return the user's code."""
        found: Callable[..., None] = getattr(importlib.import_module(self.module), self.function)
        return found


ENTRANTS = (
    Entrant("fer-deploy-onnx", "fer-deploy", "onnx", "peers.peer_fer_deploy"),
    Entrant(
        "fer-deploy-onnx-signed",
        "fer-deploy, weights then stored as int8",
        "onnx",
        "peers.peer_fer_deploy",
        "quantize_signed",
    ),
    Entrant("ort", "ONNX Runtime quantize_static", "onnx", "peers.peer_ort"),
    Entrant(
        "ort-preprocessed",
        "ONNX Runtime quantize_static, pre-processed",
        "onnx",
        "peers.peer_ort",
        "quantize_preprocessed",
    ),
    Entrant("nncf", "NNCF", "onnx", "peers.peer_nncf"),
    Entrant(
        "nncf-accurate", "NNCF, mixed preset, accurate bias", "onnx", "peers.peer_nncf", "quantize_accurate"
    ),
    Entrant("olive", "Olive", "onnx", "peers.peer_olive"),
    Entrant("fer-deploy-executorch", "fer-deploy", "executorch", "peers.peer_fer_deploy"),
    Entrant("xnnpack", "XNNPACKQuantizer", "executorch", "peers.peer_xnnpack"),
    Entrant("fer-deploy-litert", "fer-deploy", "litert", "peers.peer_fer_deploy"),
    Entrant("ai-edge", "ai-edge-quantizer", "litert", "peers.peer_ai_edge"),
    Entrant(
        "ai-edge-extremes",
        "ai-edge-quantizer, extremes kept",
        "litert",
        "peers.peer_ai_edge",
        "quantize_extremes",
    ),
)
NETWORKS = ("fer_s", MOBILENET)


def entrant(key: str) -> Entrant:
    """Return the entrant of a key."""
    return next(one for one in ENTRANTS if one.key == key)


def network_model(name: str) -> Model:
    """Return a network of :data:`NETWORKS` with its contract."""
    if name != MOBILENET:
        return load_model(f"models/{name}")
    folder = ROOT / "mobilenet_v3"
    weights = folder / "weights.safetensors"
    return load_model("peers.mobilenet_v3:build", folder / "contract.toml", weights, name=MOBILENET)


def normalised(spec: InputSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels (N, C, H, W) as a contract says that the network was trained on them, which peers are given."""
    mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (spec.mean, spec.std))
    found: NDArray[np.float32] = (pixels.astype(np.float32) - mean) / std
    return found


def code_lines(function: Callable[..., None]) -> int:
    """Return how many lines of a function's body hold code: neither blank, nor comment, nor docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    spans = [
        range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
        for node in ast.walk(definition)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None
    ]
    docstrings = {line for span in spans for line in span}
    begin = definition.body[0].lineno
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len({line for line in lines if line >= begin} - docstrings)


def versions() -> dict[str, str]:
    """Return the versions of :data:`PACKAGES` here."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}
