"""From a graph to a converted ML Program, in memory."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.coreml.options import CoreMLOptions

if TYPE_CHECKING:
    import torch

LOGITS = "logits"
PROBABILITIES = "probabilities"
#: Divides the three scales around a residual addition by one of them (coremltools 9.0,
#: ``mil/passes/defs/optimize_quantization.py``): left in, the package would carry other scales than the shared graph.
_SCALE_CHANGING_PASS = "common::distributive_quantized_binary_op_scale_normalization"


def convert(graph: Graph, options: CoreMLOptions) -> Any:
    """Return coremltools' MLModel of ``graph``: ``logits``, and ``probabilities`` for a classifier.

    ``float`` computes in fp32; ``fp16`` and ``w8`` in fp16; ``w8a8`` as ``options`` say.
    """
    import coremltools as ct

    names = [LOGITS, PROBABILITIES] if options.classifier else [LOGITS]
    package = ct.convert(
        # without decompositions coremltools refuses the program's dialect (TRAINING)
        _exported(graph, options).run_decompositions({}),
        minimum_deployment_target=getattr(ct.target, f"iOS{options.ios}"),
        compute_precision=ct.precision.FLOAT32 if _in_fp32(graph, options) else ct.precision.FLOAT16,
        inputs=[_input(graph, options)],
        # from iOS 16 on, outputs of an fp16 program are fp16 unless told otherwise
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in names],
        pass_pipeline=_passes(),
    )
    return _with_int8_weights(package) if graph.recipe.precision == "w8" else package


def _passes() -> Any:
    import coremltools as ct

    passes = ct.PassPipeline()
    passes.remove_passes({_SCALE_CHANGING_PASS})
    return passes


def _in_fp32(graph: Graph, options: CoreMLOptions) -> bool:
    precision = graph.recipe.precision
    return precision == "float" or (precision == "w8a8" and options.quantized_compute == "fp32")


def plain_constants(module: torch.fx.GraphModule) -> int:
    """Write quantized constants as the floats that they stand for, in place; return how many.

    coremltools computes ``quantize`` of a constant itself and lets it overflow: 255 steps above -128 become -1
    (coremltools 9.0, ``converters/mil/mil/ops/defs/iOS17/quantization_ops.py``).
    """
    import torch

    from fer_deploy.quantize.layers import attribute
    from fer_deploy.quantize.rewrite.editing import clean, constant

    decomposed = torch.ops.quantized_decomposed
    changed = 0
    for node in list(module.graph.nodes):
        if node.target != decomposed.dequantize_per_tensor.default:
            continue
        source: Any = node.args[0]
        quantize = source if source.target == decomposed.quantize_per_tensor.default else None
        stored: Any = source if quantize is None else quantize.args[0]
        if stored.op != "get_attr":
            continue
        value = attribute(module, str(stored.target)).detach()
        if quantize is not None:
            value = decomposed.quantize_per_tensor.default(value, *quantize.args[1:])
        value = decomposed.dequantize_per_tensor.default(value, *node.args[1:])
        node.replace_all_uses_with(constant(module, node, f"{node.name}_float", value))
        module.graph.erase_node(node)
        changed += 1
    if changed:
        clean(module)
    return changed


def _exported(graph: Graph, options: CoreMLOptions) -> torch.export.ExportedProgram:
    if graph.recipe.quantized:
        from fer_deploy.quantize.canonical import copy_graph

        quantized: Any = graph.module
        module = copy_graph(quantized)
        plain_constants(module)
        graph = dataclasses.replace(graph, module=module)
    if not options.classifier:
        return graph.export()
    import torch

    # A classifier's probabilities are whatever tensor it is given: ClassifierConfig adds no softmax.
    class Classifier(torch.nn.Module):
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.module(pixels)
            return logits, torch.softmax(logits, dim=-1)

    classifier = Classifier(graph.module)
    classifier.training = False
    return torch.export.export(classifier, (torch.zeros(graph.contract.input.shape),))


def input_name(options: CoreMLOptions) -> str:
    """Return the name of a package's input: ``pixels`` for an array, ``image`` for an image."""
    return "image" if options.image_input else "pixels"


def _input(graph: Graph, options: CoreMLOptions) -> Any:
    import coremltools as ct

    name, spec = input_name(options), graph.contract.input
    if not options.image_input:
        return ct.TensorType(name=name, shape=spec.shape, dtype=np.float32)
    layout = ct.colorlayout.GRAYSCALE if spec.color == "grey" else ct.colorlayout.RGB
    return ct.ImageType(name=name, shape=spec.shape, color_layout=layout)


def _with_int8_weights(package: Any) -> Any:
    """Return the package with per-channel symmetric int8 weights, all of them.

    coremltools leaves weights of up to 2,048 values alone unless told otherwise: half of a small net's.
    """
    import coremltools.optimize.coreml as compression

    config = compression.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=0
    )
    return compression.linear_quantize_weights(
        package, config=compression.OptimizationConfig(global_config=config)
    )
