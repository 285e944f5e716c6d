"""What targets lower: a module over pixels, float or quantized, and what is known of its scales."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Contract
from fer_deploy.forked import in_halves
from fer_deploy.frozen import Frozen
from fer_deploy.progress import track
from fer_deploy.quantize.layers import attribute
from fer_deploy.quantize.proof import Evidence, Proof
from fer_deploy.quantize.recipe import PtqOptions, Recipe

if TYPE_CHECKING:
    import torch

#: Images that run at once. Where all activations of a batch leave the cache an image takes up to three times as long.
_EVAL_BATCH = 32


class ActivationScale(Frozen):
    """One quantize operation of the graph: real value = scale x (integer - zero_point)."""

    tensor: str
    scale: float
    zero_point: int
    qmin: int
    qmax: int


class Scales(Frozen):
    """The quantization parameters that every target of one graph shares."""

    activations: tuple[ActivationScale, ...]
    weights_sha256: str
    """Digest of all per-channel weight scales as float32, in graph order."""


@dataclass(frozen=True)
class Graph:
    """A module that maps float32 pixels 0..255 (N, C, H, W) to logits (N, K), ready to be lowered.

    Attributes:
        module: the canonical float graph, or the PT2E graph after convert; the float deployable module where
            nothing is to be lowered.
        scales: None for a float graph.
        fixed_batch: the only batch size the module accepts, or None.
        options: how the ranges were found; None for a float graph.
        note: what a user has to know about how it came about; goes into artifact.json.
        evidence: faces and the float network's answers to them, on which lowering is proven; None where a graph was
            made by hand, and lowering is compared with the graph on drawn images only.
        proofs: of the steps that led to ``module``.
        costs: layers of a quantized graph and by how many dB its noise grows there, worst first.
    """

    module: torch.nn.Module
    contract: Contract
    recipe: Recipe
    scales: Scales | None = None
    fixed_batch: int | None = None
    options: PtqOptions | None = None
    note: str | None = None
    evidence: Evidence | None = None
    proofs: tuple[Proof, ...] = ()
    costs: tuple[tuple[str, float], ...] = ()

    def export(self) -> torch.export.ExportedProgram:
        """Return the module exported at batch 1, the shape that every artifact has.

        Exported once: no target's converter changes the program it is given, a test holds them to that.
        """
        return self._exported

    @cached_property
    def _exported(self) -> torch.export.ExportedProgram:
        import torch

        from fer_deploy.quantize.torch_tables import remember

        remember()
        return torch.export.export(self.module, (torch.zeros(self.contract.input.shape),))

    def logits(self, pixels: NDArray[np.uint8], description: str) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W), run eagerly in torch."""
        return run_module(self.module, pixels, self.fixed_batch, description)


def run_module(
    module: torch.nn.Module,
    pixels: NDArray[np.uint8],
    fixed_batch: int | None,
    description: str | None = None,
) -> NDArray[np.float32]:
    """Return a module's logits float32 (N, K) of uint8 pixels (N, C, H, W), with a bar where there is a description."""
    import torch

    size = fixed_batch or _EVAL_BATCH

    def run(some: NDArray[np.uint8], note: str | None) -> NDArray[np.float32]:
        parts = []
        with torch.inference_mode():
            for batch in batches(some, size, note):
                parts.append(module(torch.from_numpy(batch)).numpy())
        logits: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
        return logits

    return run(pixels, None) if description is None else in_halves(run, pixels, size, description)


def batches(pixels: NDArray[np.uint8], size: int, description: str | None) -> Iterator[NDArray[np.float32]]:
    """Yield float32 batches of at most ``size`` images, with a progress bar where there is a description."""
    starts = range(0, len(pixels), size)
    for start in starts if description is None else track(starts, description, len(starts)):
        # copy: a fresh C-contiguous array, since ExecuTorch refuses the zero strides of numpy views
        yield pixels[start : start + size].astype(np.float32, order="C", copy=True)


def scales_of(module: torch.fx.GraphModule) -> Scales:
    """Return the quantization parameters of a converted PT2E graph."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    activations, digest = [], hashlib.sha256()
    for node in module.graph.nodes:
        arguments: Any = node.args
        if node.target == decomposed.quantize_per_tensor.default:
            source, scale, zero_point, qmin, qmax = arguments[:5]
            activations.append(
                ActivationScale(
                    tensor=source.name, scale=float(scale), zero_point=int(zero_point), qmin=qmin, qmax=qmax
                )
            )
        elif node.target == decomposed.dequantize_per_channel.default:
            values = attribute(module, str(arguments[1].target))
            digest.update(values.detach().float().numpy().tobytes())
    return Scales(activations=tuple(activations), weights_sha256=digest.hexdigest())
