"""Zoo folders: ``model.toml`` and safetensors weights; reading one executes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from fer_deploy.contract import Contract, contract_table, parse_contract
from fer_deploy.errors import ModelError
from fer_deploy.files import read_toml, sha256_of, write_together
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.model.architecture import Architecture
from fer_deploy.model.definition import Model
from fer_deploy.model.state import load_state, read_state

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.toml"
WEIGHTS_FILE = "model.safetensors"


class Weights(Frozen):
    """``[weights]`` of a model.toml: a safetensors file beside it and its digest."""

    file: str = Field(pattern=r"^[^/\\]+\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def save_model(
    folder: Path, network: nn.Module, architecture: Architecture, contract: Contract, extra: dict[str, bytes]
) -> None:
    """Write a zoo folder: model.toml, model.safetensors and the files in ``extra`` (name to content).

    Files that were in ``folder`` before and are not written now are kept.

    Raises:
        OutputError: the folder cannot be written.
    """
    import safetensors.torch
    import tomli_w

    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    document = {
        "contract": contract.model_dump(mode="json"),
        "architecture": architecture.model_dump(mode="json", exclude_none=True),
        "weights": {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(weights).hexdigest()},
    }
    write_together(folder, extra | {WEIGHTS_FILE: weights, MODEL_FILE: tomli_w.dumps(document).encode()})


def load_folder(folder: Path, contract: Path | None, weights: Path | None) -> Model:
    """Return the model in a zoo folder, its weights checked against the digest in model.toml.

    Raises:
        ModelError: a file is missing or damaged, or the weights do not fit the architecture.
        ContractError: the contract is malformed.
    """
    if contract is not None or weights is not None:
        raise ModelError(
            f"model folder {folder} carries its own contract and weights; leave --contract and --weights out"
        )
    toml = folder / MODEL_FILE
    document = read_toml(toml, ModelError, "model")
    parsed = parse_contract(contract_table(document, toml, ModelError), str(toml))
    try:
        architecture = Architecture.model_validate(document.get("architecture"))
        entry = Weights.model_validate(document.get("weights"))
    except ValidationError as error:
        raise ModelError(f"model {toml} is not valid: {error.title} {first_problem(error)}") from None
    file = folder / entry.file
    if not file.is_file():
        raise ModelError(f"weights {file} do not exist; {toml} names them")
    digest = sha256_of(file)
    if digest != entry.sha256:
        raise ModelError(
            f"weights {file} are damaged or another model's: sha256 is {digest[:12]}..., "
            f"{toml} says {entry.sha256[:12]}..."
        )
    network = architecture.build(len(parsed.labels), parsed.input.channels)
    load_state(network, read_state(file), file)
    return Model(folder.resolve().name, str(folder), network.eval(), parsed, digest)
