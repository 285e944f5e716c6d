"""Backends that an ExecuTorch program can hand its graph to."""

from __future__ import annotations

from typing import Any, Literal

from fer_deploy.quantize.graph import Graph

Delegate = Literal["xnnpack", "coreml"]
DELEGATES: tuple[Delegate, ...] = ("xnnpack", "coreml")
#: Name in reports, by delegate.
BACKENDS: dict[Delegate, str] = {"xnnpack": "XNNPACK", "coreml": "Core ML"}
#: What a program that holds a Core ML delegate says in its bytes.
COREML_ID = b"CoreMLBackend"


def partitioner(delegate: Delegate, graph: Graph) -> Any:
    """Return the executorch partitioner of ``delegate``.

    Core ML lowers on Linux too; it computes in fp32 for ``float`` and in fp16 otherwise, for iOS 17 and later.
    """
    if delegate == "xnnpack":
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

        return XnnpackPartitioner()
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    specs = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=(
            ct.precision.FLOAT32 if graph.recipe.precision == "float" else ct.precision.FLOAT16
        ),
    )
    return CoreMLPartitioner(compile_specs=specs)
