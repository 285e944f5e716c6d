"""Models from outside the zoo: exported programs, and factories.

``package.module:factory`` imports and calls the user's own code: it is the one explicit exception from
the rule that loading a model executes nothing.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_deploy.contract import load_contract
from fer_deploy.errors import ModelError, first_line
from fer_deploy.files import sha256_of
from fer_deploy.model.definition import Model
from fer_deploy.model.folder import load_state, read_state

if TYPE_CHECKING:
    import torch


def is_factory(text: str) -> bool:
    """Return whether ``text`` reads ``package.module:factory``."""
    module, _, name = text.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def load_exported(path: Path, contract: Path | None, weights: Path | None) -> Model:
    """Return the ``.pt2`` program at ``path`` with its contract, by default the ``.toml`` beside it.

    Raises:
        ModelError: it is missing, damaged, exported in training mode, or takes something else than one image batch.
        ContractError: the contract is missing or malformed.
    """
    import torch

    if weights is not None:
        raise ModelError(f"exported program {path} carries its own weights; leave --weights out")
    if not path.is_file():
        raise ModelError(f"exported program {path} does not exist")
    parsed = load_contract(contract or path.with_suffix(".toml"))
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises many kinds here, none of them documented
        raise ModelError(f"{path} is not a program that torch.export can load: {first_line(error)}") from None
    _require_evaluation_mode(program, path)
    inputs = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(inputs) != 1 or inputs[0].ndim != 4:
        raise ModelError(f"{path} must take one input of shape [N, C, H, W]")
    batch = inputs[0].shape[0]
    fixed = batch if isinstance(batch, int) else None
    return Model(path.stem, str(path), program.module(), parsed, sha256_of(path), fixed)


def _require_evaluation_mode(program: torch.export.ExportedProgram, path: Path) -> None:
    """Raise ModelError when the graph drops out at random or normalises by its batch, both baked in."""
    import torch

    aten = torch.ops.aten
    flag_of = {aten.dropout.default: 2, aten.batch_norm.default: 5}
    training = any(node.args[flag_of[node.target]] for node in program.graph.nodes if node.target in flag_of)
    if training or program.graph_signature.buffers_to_mutate:
        raise ModelError(f"{path} was exported in training mode; call model.eval() and export it again")


def load_factory(text: str, contract: Path | None, weights: Path | None) -> Model:
    """Return the module that ``package.module:factory`` makes, with ``weights`` loaded into it.

    The working folder is searched for the module too, as with ``python -m``.

    Raises:
        ModelError: the factory fails or returns no module, or the weights do not fit.
        ContractError: the contract is missing or malformed.
    """
    import torch

    if contract is None or weights is None:
        raise ModelError(f"model factory '{text}' needs --contract FILE.toml and --weights FILE")
    parsed = load_contract(contract)
    module_name, _, name = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        network: Any = getattr(importlib.import_module(module_name), name)()
    except Exception as error:  # the user's own code may raise anything
        raise ModelError(
            f"model factory '{text}' failed: {type(error).__name__}: {first_line(error)}"
        ) from None
    if not isinstance(network, torch.nn.Module):
        raise ModelError(
            f"model factory '{text}' returned {type(network).__name__}, expected torch.nn.Module"
        )
    if not weights.is_file():
        raise ModelError(f"weights {weights} do not exist")
    load_state(network, read_state(weights), weights)
    return Model(name, text, network.eval(), parsed, sha256_of(weights))
