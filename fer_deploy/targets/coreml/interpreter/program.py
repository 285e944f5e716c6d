"""An ML Program as plain data: operations in order, their arguments, types and constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.targets.coreml.interpreter.package import BlobFile, Package, decode, read_package
from fer_deploy.targets.coreml.tools import messages

#: A constant's value: an array (any rank, also 0), a string, or a list of values.
Constant: TypeAlias = "NDArray[np.generic] | str | list[Constant]"


@dataclass(frozen=True)
class TensorType:
    """Element type by its MIL name (``FLOAT16``, ...) and shape; an unknown dimension is None."""

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Reference:
    """An argument that names another operation's output or a program input."""

    name: str


Argument: TypeAlias = "Reference | Constant | tuple[Reference | Constant, ...]"


@dataclass(frozen=True)
class Operation:
    """One operation. ``arguments``: parameter name to a reference, a constant, or a tuple of them."""

    kind: str
    name: str
    arguments: dict[str, Argument]
    outputs: tuple[tuple[str, TensorType | None], ...]

    def references(self) -> Iterator[str]:
        """Yield the names of the values it reads."""
        for argument in self.arguments.values():
            for item in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(item, Reference):
                    yield item.name


@dataclass(frozen=True)
class Feature:
    """An input or output of the model as apps see it.

    Attributes:
        kind: ``multiArrayType``, ``imageType``, ``dictionaryType``, ``stringType``, ...
        color: for images GRAYSCALE, RGB, BGR or GRAYSCALE_FLOAT16; otherwise None.
    """

    name: str
    kind: str
    color: str | None = None


@dataclass(frozen=True)
class Program:
    """The ``main`` function of a package.

    Attributes:
        opset: ``CoreML5`` to ``CoreML9`` ...: the operation set, by iOS version minus 10.
        inputs: input name to type.
        operations: in execution order, constants (``const``) taken out.
        constants: value name to constant.
        outputs: names of the values that the function returns.
    """

    opset: str
    specification_version: int
    inputs: dict[str, TensorType]
    operations: tuple[Operation, ...]
    constants: dict[str, Constant]
    constant_types: dict[str, TensorType | None]
    outputs: tuple[str, ...]
    input_features: tuple[Feature, ...]
    output_features: tuple[Feature, ...]
    probabilities_name: str

    @cached_property
    def types(self) -> dict[str, TensorType | None]:
        """The type of every value by name."""
        types: dict[str, TensorType | None] = {**self.inputs, **self.constant_types}
        for operation in self.operations:
            types.update(operation.outputs)
        return types


def read_program(package: Package) -> Program:
    """Return the package's ML Program with every constant read from disk.

    Raises:
        ArtifactError: the specification or the weights file is damaged.
        TargetError: the program has no ``main`` function or nests blocks (``cond``, ``while_loop``).
    """
    reader = _Reader(package)
    spec = package.spec
    functions = spec.mlProgram.functions
    if "main" not in functions:
        raise TargetError(f"{package.path} has no function 'main', only: {', '.join(sorted(functions))}")
    function = functions["main"]
    block = function.block_specializations[function.opset]
    operations: list[Operation] = []
    constants: dict[str, Constant] = {}
    constant_types: dict[str, TensorType | None] = {}
    for item in block.operations:
        if item.blocks:
            raise TargetError(
                f"cannot execute Core ML operation '{item.type}' at '{item.outputs[0].name}': it nests a block"
            )
        if item.type == "const":
            value = item.attributes["val"]
            constants[item.outputs[0].name] = reader.constant(value)
            constant_types[item.outputs[0].name] = _tensor_type(value.type)
        else:
            operations.append(reader.operation(item))
    description = spec.description
    return Program(
        opset=function.opset,
        specification_version=spec.specificationVersion,
        inputs={item.name: _required_tensor_type(item, package) for item in function.inputs},
        operations=tuple(operations),
        constants=constants,
        constant_types=constant_types,
        outputs=tuple(block.outputs),
        input_features=tuple(_feature(item) for item in description.input),
        output_features=tuple(_feature(item) for item in description.output),
        probabilities_name=description.predictedProbabilitiesName,
    )


def open_program(path: Path) -> Program:
    """Return the program of the ``.mlpackage`` at ``path``; raises as :func:`read_program`."""
    return read_program(read_package(path))


class _Reader:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._blobs: dict[str, BlobFile] = {}

    def operation(self, item: Any) -> Operation:
        arguments: dict[str, Argument] = {}
        for name, argument in item.inputs.items():
            bindings = tuple(self._binding(binding) for binding in argument.arguments)
            arguments[name] = bindings[0] if len(bindings) == 1 else bindings
        for name, value in item.attributes.items():
            if name != "name":
                arguments[name] = self.constant(value)
        outputs = tuple((output.name, _tensor_type(output.type)) for output in item.outputs)
        name = item.attributes["name"].immediateValue.tensor.strings.values
        return Operation(item.type, name[0] if name else outputs[0][0], arguments, outputs)

    def _binding(self, binding: Any) -> Reference | Constant:
        if binding.WhichOneof("binding") == "name":
            return Reference(binding.name)
        return self.constant(binding.value)

    def constant(self, value: Any) -> Constant:
        kind = value.WhichOneof("value")
        if kind == "blobFileValue":
            tensor = _tensor_type(value.type)
            if tensor is None:
                raise ArtifactError(f"{self._package.path} has a constant in its weights that is no tensor")
            blob = self._blob(value.blobFileValue.fileName)
            return decode(blob.bytes_at(value.blobFileValue.offset), tensor.dtype, _known(tensor.shape))
        immediate = value.immediateValue
        form = immediate.WhichOneof("value")
        if form == "tensor":
            return self._immediate(immediate.tensor, value.type)
        if form in ("list", "tuple"):
            return [self.constant(item) for item in getattr(immediate, form).values]
        raise ArtifactError(f"{self._package.path} has a constant of the unknown form '{form or kind}'")

    def _immediate(self, tensor: Any, declared: Any) -> Constant:
        form = tensor.WhichOneof("value")
        kind = _tensor_type(declared)
        if kind is None or form is None:
            raise ArtifactError(f"{self._package.path} has a constant without a tensor type or a value")
        if form == "strings":
            strings: list[Constant] = [str(item) for item in tensor.strings.values]
            return strings if kind.shape else strings[0]
        if form == "bytes":
            return decode(tensor.bytes.values, kind.dtype, _known(kind.shape))
        values = np.array(getattr(tensor, form).values)
        # integers of any width may be written as ints; the declared type decides
        typed = {"FLOAT16": "f4", "FLOAT32": "f4", "FLOAT64": "f8", "BOOL": "?"}.get(kind.dtype, "i8")
        return values.astype(typed).reshape(_known(kind.shape))

    def _blob(self, name: str) -> BlobFile:
        if name not in self._blobs:
            parts = [part for part in PurePosixPath(name).parts if part != "@model_path"]
            path = self._package.model_folder.joinpath(*parts)
            if not path.resolve().is_relative_to(self._package.path.resolve()):
                raise ArtifactError(f"{self._package.path} names weights outside of itself: {name}")
            self._blobs[name] = BlobFile(path)
        return self._blobs[name]


def _tensor_type(declared: Any) -> TensorType | None:
    MIL_pb2, _ = messages()
    if declared.WhichOneof("type") != "tensorType":
        return None
    tensor = declared.tensorType
    shape = tuple(
        int(item.constant.size) if item.WhichOneof("dimension") == "constant" else None
        for item in tensor.dimensions
    )
    return TensorType(MIL_pb2.DataType.Name(tensor.dataType), shape)


def _required_tensor_type(item: Any, package: Package) -> TensorType:
    tensor = _tensor_type(item.type)
    if tensor is None:
        raise TargetError(f"cannot execute {package.path}: its input '{item.name}' is no tensor")
    return tensor


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    if any(size is None for size in shape):
        raise ArtifactError("a constant has an unknown dimension; the specification is damaged")
    return tuple(size for size in shape if size is not None)


def _feature(item: Any) -> Feature:
    kind = item.type.WhichOneof("Type")
    if kind != "imageType":
        return Feature(item.name, kind)
    image = item.type.imageType
    color = image.DESCRIPTOR.enum_types_by_name["ColorSpace"].values_by_number[image.colorSpace].name
    return Feature(item.name, kind, color)
