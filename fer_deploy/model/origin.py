"""What a model is made of, as files, and compared with what it was before.

They are read without executing anything, with one exception: the weights that a factory loads itself are nowhere but
in the module that it makes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from fer_deploy.contract import Contract, contract_table, load_contract, parse_contract
from fer_deploy.errors import ModelError
from fer_deploy.files import read_toml, sha256_of
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.model.contract_file import contract_file
from fer_deploy.model.folder import MODEL_FILE, Architecture, Weights
from fer_deploy.model.foreign import own_weights_sha256
from fer_deploy.model.names import is_factory, model_name
from fer_deploy.model.sources import sources_of


class Origin(Frozen):
    """The files beside weights and contract that decide what a model answers, and where all of them were."""

    contract: str | None = Field(default=None, description="what --contract named")
    weights: str | None = Field(
        default=None, description="what --weights named; None: the model brings its own"
    )
    name: str | None = Field(default=None, description="what [model] name called it")
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="sha256 of each source file of a factory by its module's name, or of a folder's [architecture]",
    )
    unknown: str | None = Field(default=None, description="why the sources may not be all; None: they are")


@dataclass(frozen=True)
class ModelFiles:
    """A model as its files are now.

    Attributes:
        name: as :func:`fer_deploy.model.load_model` would call it.
        where: what named it.
    """

    name: str
    where: str
    contract: Contract
    weights_sha256: str
    origin: Origin


def read_model_files(
    reference: str, contract: Path | None, weights: Path | None, name: str | None = None
) -> ModelFiles:
    """Return the files of what :func:`fer_deploy.model.load_model` takes, as they are now.

    Raises:
        ModelError: one of them is missing or malformed.
        ContractError: the contract is.
        ConfigError: ``name`` is no name for a folder.
    """
    path, called = Path(reference), model_name(reference, name)
    if path.is_dir():
        return _folder(path, called, name)
    if is_factory(reference):
        return _factory(reference, contract, weights, name)
    if reference.endswith(".pt2"):
        parsed = load_contract(contract_file(reference, contract))
        origin = Origin(contract=str(contract) if contract else None, name=name)
        return ModelFiles(called, reference, parsed, _digest(path), origin)
    raise ModelError(f"model {reference} is not here")


def _factory(reference: str, contract: Path | None, weights: Path | None, name: str | None) -> ModelFiles:
    parsed = load_contract(contract_file(reference, contract))
    found = sources_of(reference.partition(":")[0])
    origin = Origin(
        contract=str(contract),
        weights=str(weights) if weights is not None else None,
        name=name,
        sources=found.sha256,
        unknown=found.unknown,
    )
    digest = _digest(weights) if weights is not None else own_weights_sha256(reference)
    return ModelFiles(model_name(reference, name), reference, parsed, digest, origin)


def _folder(folder: Path, called: str, name: str | None) -> ModelFiles:
    toml = folder / MODEL_FILE
    document = read_toml(toml, ModelError, "model")
    parsed = parse_contract(contract_table(document, toml, ModelError), str(toml))
    try:
        weights = folder / Weights.model_validate(document.get("weights")).file
        architecture = Architecture.model_validate(document.get("architecture"))
    except ValidationError as error:
        raise ModelError(f"model {toml} is not valid: {error.title} {first_problem(error)}") from None
    digest = hashlib.sha256(architecture.model_dump_json().encode()).hexdigest()
    origin = Origin(sources={"[architecture]": digest}, name=name)
    return ModelFiles(called, str(folder), parsed, _digest(weights), origin)


def _digest(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise ModelError(f"model file {file} cannot be read: {error.strerror}") from None
