"""Each pass over an ONNX file proves itself: ONNX Runtime, its own optimisations off, before and after."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from fer_deploy.quantize.graph import Graph, batches
from fer_deploy.quantize.proof import EXACT_DB, LOWERING_MARGIN_DB, Proof, prove_exact, within_rounding
from fer_deploy.targets.onnx import passes

Pass = Callable[[onnx.GraphProto], int]
#: In this order; each leaves the function of the file as it was.
PASSES: tuple[tuple[str, Pass], ...] = (
    ("integers to uint8", passes.integers_to_uint8),
    ("one grid a constant", passes.one_grid_a_constant),
    ("means to global pools", passes.mean_to_global_pool),
)
_SIGNED: tuple[tuple[str, Pass], ...] = (("weights to int8", passes.weights_to_int8),)
_IMAGES = 8
#: A pass on a quantized file sums in another order at most, which moves single values by one step.
_STEPS_DB = 30.0


def run_passes(model: onnx.ModelProto, graph: Graph, signed_weights: bool = False) -> tuple[Proof, ...]:
    """Run every pass on a file, in place, and return a proof for each that changed something.

    Args:
        model: the file.
        graph: what it was exported from.
        signed_weights: whether weights are int8 at the end, not uint8.

    Raises:
        ProofError: a pass changed the function of the file; the first value at which the two part is named.
    """
    from fer_deploy.targets.proof import drawn_evidence

    evidence = graph.evidence or drawn_evidence(graph)
    pixels = evidence.pixels[:_IMAGES]
    least = _least_db(graph)
    before = _outputs(model, pixels)[0]
    proofs = []
    for name, run in (*PASSES, *_SIGNED) if signed_weights else PASSES:
        old = onnx.ModelProto()
        old.CopyFrom(model)
        if run(model.graph) == 0:
            continue
        after = _outputs(model, pixels)[0]
        where = functools.partial(_first_parting, old, model, pixels, least)
        proofs.append(prove_exact(f"ONNX pass '{name}'", before, after, where, least))
        before = after
    return tuple(proofs)


def _least_db(graph: Graph) -> float:
    """Return the SQNR that a pass has to keep: a step of a value counts for more where int8 has left little already."""
    if not graph.recipe.quantized:
        return EXACT_DB
    known = [one.sqnr_db for one in graph.proofs if one.contract == "lossy" and one.sqnr_db is not None]
    return min([_STEPS_DB, *(sqnr + LOWERING_MARGIN_DB for sqnr in known)])


def _outputs(
    model: onnx.ModelProto, pixels: NDArray[np.uint8], names: list[str] | None = None
) -> list[NDArray[np.float32]]:
    """Return the file's outputs, or those of the named values, on images one at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    del extended.graph.value_info[:]  # a pass changes types, and these are not kept in the artifact
    if names is not None:
        del extended.graph.output[:]
        extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    content = extended.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    parts = [session.run(names, {feed: image}) for image in batches(pixels, 1, None)]
    return [np.concatenate([np.atleast_1d(part[index]) for part in parts]) for index in range(len(parts[0]))]


def _first_parting(
    old: onnx.ModelProto, new: onnx.ModelProto, pixels: NDArray[np.uint8], least_db: float
) -> str | None:
    made = {name for node in new.graph.node for name in node.output}
    common = [
        node.output[0]
        for node in old.graph.node
        if node.output[0] in made and node.op_type != "QuantizeLinear"
    ]
    first, second = _outputs(old, pixels, common), _outputs(new, pixels, common)
    for name, ours, theirs in zip(common, first, second, strict=True):
        if ours.dtype == np.float32 and not within_rounding(ours, theirs, least_db):
            return f"value '{name}'"
    return None
