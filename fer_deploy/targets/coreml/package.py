"""From a graph to a saved package: converted to an ML Program in memory, then written with its metadata.

The same bytes come of the same input.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_deploy.contract import Contract
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.coreml.options import CoreMLOptions
from fer_deploy.targets.coreml.tools import coremltools, messages

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
    ct = coremltools()

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
    ct = coremltools()

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

    temperature = graph.contract.temperature

    # A classifier's probabilities are whatever tensor it is given: ClassifierConfig adds no softmax.
    class Classifier(torch.nn.Module):
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.module(pixels)
            return logits, torch.softmax(logits if temperature == 1 else logits / temperature, dim=-1)

    classifier = Classifier(graph.module)
    classifier.training = False
    return torch.export.export(classifier, (torch.zeros(graph.contract.input.shape),))


def input_name(options: CoreMLOptions) -> str:
    """Return the name of a package's input: ``pixels`` for an array, ``image`` for an image."""
    return "image" if options.image_input else "pixels"


def _input(graph: Graph, options: CoreMLOptions) -> Any:
    ct = coremltools()

    name, spec = input_name(options), graph.contract.input
    if not options.image_input:
        return ct.TensorType(name=name, shape=spec.shape, dtype=np.float32)
    layout = ct.colorlayout.GRAYSCALE if spec.color == "grey" else ct.colorlayout.RGB
    return ct.ImageType(name=name, shape=spec.shape, color_layout=layout)


def _with_int8_weights(package: Any) -> Any:
    """Return the package with per-channel symmetric int8 weights, all of them.

    coremltools leaves weights of up to 2,048 values alone unless told otherwise: half of a small net's.
    """
    compression = coremltools().optimize.coreml
    config = compression.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=0
    )
    return compression.linear_quantize_weights(
        package, config=compression.OptimizationConfig(global_config=config)
    )


FILE = "model.mlpackage"
LABEL = "label"
LABEL_PROBABILITIES = "label_probabilities"
#: coremltools leaves ExecuTorch's debug map in the package, outside the manifest (coremltools 9.0).
_STRAY = "executorch_debug_handle_mapping.json"
_MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
#: The day of conversion would make every export differ from the last.
_VOLATILE = "com.github.apple.coremltools.conversion_date"
_TOOLS = ("fer-deploy", "torch", "torchao", "coremltools")


def save(package: Any, path: Path, contract: Contract, options: CoreMLOptions) -> None:
    """Write coremltools' MLModel ``package`` to the folder ``path`` with its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / FILE
        package.save(str(temporary))
        (temporary / _STRAY).unlink(missing_ok=True)
        spec = package.get_spec()
        describe(spec, contract, options)
        if options.classifier:
            classify(spec, contract.labels)
        (temporary / _MODEL).write_bytes(spec.SerializeToString(deterministic=True))
        _fix_identifiers(temporary / "Manifest.json")
        for file in temporary.rglob("*"):
            if file.is_file():
                file.chmod(0o644)  # coremltools writes model.mlmodel as 0600
        shutil.copytree(temporary, path)


def describe(spec: Any, contract: Contract, options: CoreMLOptions) -> None:
    """Set the metadata of a model specification: author, licence, contract digest and tool versions."""
    metadata = spec.description.metadata
    metadata.author = options.author
    metadata.license = options.licence
    metadata.shortDescription = (
        f"Classifies a {contract.input.width} x {contract.input.height} {contract.input.color} face crop, "
        f"pixels 0..255, as one of: {', '.join(contract.labels)}"
    )
    own = metadata.userDefined
    own.pop(_VOLATILE, None)
    own["fer_deploy.contract_sha256"] = contract.sha256
    own["fer_deploy.contract"] = json.dumps(contract.model_dump(mode="json"), sort_keys=True)
    for tool in _TOOLS:
        own[f"fer_deploy.version.{tool}"] = importlib.metadata.version(tool)


def classify(spec: Any, labels: tuple[str, ...]) -> None:
    """Turn a specification with an output ``probabilities`` into a classifier that keeps its other outputs.

    Done here because coremltools 9.0 fails on a classifier with further outputs (IndexError in
    ``get_func_output``) and cannot compress one (coremltools #1906).
    """
    MIL_pb2, Model_pb2 = messages()
    function = spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    string = MIL_pb2.ValueType()
    string.tensorType.dataType = MIL_pb2.STRING
    operation = block.operations.add(type="classify")
    operation.inputs["probabilities"].arguments.add(name=PROBABILITIES)
    classes = operation.inputs["classes"].arguments.add().value
    classes.type.listType.type.CopyFrom(string)
    classes.type.listType.length.constant.size = len(labels)
    for label in labels:
        value = classes.immediateValue.list.values.add()
        value.type.CopyFrom(string)
        value.immediateValue.tensor.strings.values.append(label)
    name = operation.attributes["name"]
    name.type.CopyFrom(string)
    name.immediateValue.tensor.strings.values.append("classify")
    operation.outputs.add(name=LABEL).type.CopyFrom(string)
    dictionary = operation.outputs.add(name=LABEL_PROBABILITIES).type.dictionaryType
    dictionary.keyType.CopyFrom(string)
    dictionary.valueType.tensorType.dataType = MIL_pb2.FLOAT64

    kept = [output for output in block.outputs if output != PROBABILITIES]
    del block.outputs[:]
    block.outputs.extend([LABEL, LABEL_PROBABILITIES, *kept])
    description = spec.description
    features = [item for item in description.output if item.name != PROBABILITIES]
    label, probabilities = Model_pb2.FeatureDescription(), Model_pb2.FeatureDescription()
    label.name, probabilities.name = LABEL, LABEL_PROBABILITIES
    label.type.stringType.SetInParent()
    probabilities.type.dictionaryType.stringKeyType.SetInParent()
    del description.output[:]
    description.output.extend([label, probabilities, *features])
    description.predictedFeatureName = LABEL
    description.predictedProbabilitiesName = LABEL_PROBABILITIES


def _fix_identifiers(manifest: Path) -> None:
    """Replace the manifest's random identifiers by ones made from the items' paths."""
    document = json.loads(manifest.read_text(encoding="utf-8"))
    renamed = {
        old: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"]))
        for old, entry in document["itemInfoEntries"].items()
    }
    document["itemInfoEntries"] = {
        renamed[old]: entry
        for old, entry in sorted(document["itemInfoEntries"].items(), key=lambda item: item[1]["path"])
    }
    document["rootModelIdentifier"] = renamed[document["rootModelIdentifier"]]
    manifest.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
