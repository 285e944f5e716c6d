"""Whatever ``--model`` names, as a Model that was checked against its contract."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from fer_deploy.errors import ArgumentError, ModelError
from fer_deploy.files import as_path
from fer_deploy.model.definition import Model, check_against_contract
from fer_deploy.model.folder import MODEL_FILE, load_folder
from fer_deploy.model.foreign import load_exported, load_factory
from fer_deploy.model.names import is_factory, model_name


def load_model(
    reference: str | os.PathLike[str],
    contract: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Model:
    """Return the model that ``reference`` names, checked against its contract.

    Args:
        reference: a folder with model.toml; a ``.pt2`` exported program; or ``package.module:factory``,
            a callable that takes no argument and returns an ``nn.Module``.
        contract: contract TOML; required for a factory; for a ``.pt2`` the default is the file of the
            same name with the ending ``.toml``. A folder carries its own.
        weights: state dict of a factory's module (``.safetensors``, or ``.pt`` loaded weights_only); None for a
            factory that loads its own.
        name: what to call it; None for the name of its folder, file or module.

    Raises:
        ArgumentError: an argument is neither text nor a path.
        ModelError: nothing there, damaged weights, or a model that contradicts its contract.
        ContractError: the contract is missing or malformed.
        ConfigError: ``name`` is no name for a folder.
    """
    if not isinstance(reference, str | os.PathLike):
        raise ArgumentError(
            f"model is a folder with {MODEL_FILE}, a .pt2 or package.module:factory, got {type(reference).__name__}"
        )
    text = str(reference)
    path = Path(text)
    contract = None if contract is None else as_path(contract, "contract")
    weights = None if weights is None else as_path(weights, "weights")
    if text.strip() and path.is_dir():
        model = load_folder(path, contract, weights)
    elif text.endswith(".pt2"):
        model = load_exported(path, contract, weights)
    elif is_factory(text):
        model = load_factory(text, contract, weights)
    else:
        raise ModelError(
            f"model '{text}' is none of: a folder with {MODEL_FILE}, a .pt2 exported program, package.module:factory"
        )
    check_against_contract(model)
    return model if name is None else dataclasses.replace(model, name=model_name(text, name))
