"""Models from outside the zoo: exported programs, and factories.

``package.module:factory`` imports and calls the user's own code: it is the one explicit exception from
the rule that loading a model executes nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_deploy.contract import load_contract
from fer_deploy.errors import ModelError, WeightsError, first_line
from fer_deploy.files import sha256_of
from fer_deploy.model.contract_file import contract_file
from fer_deploy.model.definition import Model
from fer_deploy.model.folder import load_state, read_state
from fer_deploy.model.names import model_name

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class ReadProgram:
    """An exported program in evaluation mode.

    Attributes:
        network: what it computes.
        shape: of its one input, [N, C, H, W]; None where any size will do.
    """

    network: nn.Module
    shape: tuple[int | None, ...]


def load_exported(path: Path, contract: Path | None, weights: Path | None) -> Model:
    """Return the ``.pt2`` program at ``path`` with its contract, by default the ``.toml`` beside it.

    Raises:
        ModelError: it is missing, damaged, exported in training mode, or takes something else than one image batch.
        ContractError: the contract is missing or malformed.
    """
    if weights is not None:
        raise ModelError(f"exported program {path} carries its own weights; leave --weights out")
    if not path.is_file():
        raise ModelError(f"exported program {path} does not exist")
    parsed = load_contract(contract_file(str(path), contract))
    program = read_program(path)
    return Model(model_name(str(path)), str(path), program.network, parsed, sha256_of(path), program.shape[0])


def read_program(path: Path) -> ReadProgram:
    """Return the program in a ``.pt2`` file.

    Raises:
        ModelError: it is missing, damaged, exported in training mode, or takes something else than one image batch.
    """
    import torch

    if not path.is_file():
        raise ModelError(f"exported program {path} does not exist")
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
    shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
    return ReadProgram(program.module(), shape)


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
        WeightsError: none were given, and the factory draws its own at random.
        ContractError: the contract is missing or malformed.
    """
    parsed = load_contract(contract_file(text, contract))
    network, digest = weighted(text, weights)
    return Model(model_name(text), text, network, parsed, digest)


def weighted(text: str, weights: Path | None) -> tuple[nn.Module, str]:
    """Return the factory's module in evaluation mode and the digest of its weights: of the file, else of the values.

    Raises:
        ModelError: see :func:`load_factory`.
    """
    network = _made(text)
    if weights is not None:
        if not weights.is_file():
            raise ModelError(f"weights {weights} do not exist")
        load_state(network, read_state(weights), weights)
        return network.eval(), sha256_of(weights)
    digests, again = _digests(network), _digests(_made(text))
    drawn = [name for name in digests if digests[name] != again.get(name)]
    if drawn:
        raise WeightsError(
            f"model factory '{text}' draws weights at random ('{drawn[0]}' is another at each call): give the trained "
            "ones with --weights FILE or [model] weights, or load them in the factory"
        )
    return network.eval(), _digest_of(digests)


def own_weights_sha256(text: str) -> str:
    """Return the digest of the weights that a factory loads itself; nothing but the factory is run.

    Raises:
        ModelError: the factory fails or returns no module.
    """
    return _digest_of(_digests(_made(text)))


def _made(text: str) -> nn.Module:
    """Return what the factory makes."""
    import torch

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
    return network


def _digests(network: nn.Module) -> dict[str, str]:
    """Return the digest of every tensor of a module's state by its name."""
    import torch

    found: dict[str, str] = {}
    for name, value in network.state_dict().items():
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        head = f"{value.dtype} {list(value.shape)} ".encode()
        found[name] = hashlib.sha256(head + raw).hexdigest()
    return found


def _digest_of(digests: dict[str, str]) -> str:
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()
