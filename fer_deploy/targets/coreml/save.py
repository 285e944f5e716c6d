"""Writing a package: metadata, classifier outputs, and the same bytes for the same input."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from fer_deploy.contract import Contract
from fer_deploy.targets.coreml.convert import PROBABILITIES
from fer_deploy.targets.coreml.options import CoreMLOptions

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
    from coremltools.proto import MIL_pb2, Model_pb2

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
