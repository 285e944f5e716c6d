"""Zoo folders: ``model.toml``, the architecture it names and the weights beside it; reading one executes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from fer_deploy.contract import Contract, contract_table, parse_contract
from fer_deploy.errors import ModelError, first_line
from fer_deploy.files import read_toml, sha256_of, write_together
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.model.definition import Model
from fer_deploy.safe_load import load_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


class Architecture(Frozen):
    """A zoo name and what :func:`fer_deploy.zoo.build` changes of its table."""

    name: str
    width: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on channel counts")
    depth: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on the repeats of every stage")
    expansion: int | None = Field(default=None, ge=1, le=8, description="of every bottleneck that expands")
    activation: Literal["relu6", "relu"] = "relu6"
    stem_stride: Literal[1, 2] | None = Field(default=None, description="of the first convolution")

    @property
    def label(self) -> str:
        """The name and what differs from its table, e.g. ``fer_s``, ``mobilenet_v2 x0.5``."""
        parts = [self.name]
        parts += [f"x{self.width:g}"] if self.width != 1 else []
        parts += [f"depth {self.depth:g}"] if self.depth != 1 else []
        parts += [f"expansion {self.expansion}"] if self.expansion is not None else []
        parts += [self.activation] if self.activation != "relu6" else []
        parts += [f"stem stride {self.stem_stride}"] if self.stem_stride is not None else []
        return " ".join(parts)

    def build(self, num_classes: int, channels: int) -> nn.Module:
        """Return the network with freshly drawn weights.

        Raises:
            ModelError: see :func:`fer_deploy.zoo.build`.
        """
        from fer_deploy.zoo import build

        options = self.model_dump(exclude={"name"})
        return build(self.name, num_classes, channels, **options)


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the state dict in ``file``: safetensors, or what ``torch.save`` wrote.

    Raises:
        ModelError: the file is damaged or holds anything but names and tensors.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        if file.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(file))
        state = load_dict(file)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"weights {file} cannot be read: {first_line(error)}") from None
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise ModelError(f"weights {file} hold no state dict (names to tensors)")
    return state


def load_state(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Put ``state`` into ``network``; ``file`` names it in the ModelError when it does not fit."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise ModelError(f"weights {file} do not fit the architecture: {detail}") from None


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
    import tomlkit

    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    document = {
        "contract": contract.model_dump(mode="json"),
        "architecture": architecture.model_dump(mode="json", exclude_none=True),
        "weights": {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(weights).hexdigest()},
    }
    write_together(folder, extra | {WEIGHTS_FILE: weights, MODEL_FILE: tomlkit.dumps(document).encode()})


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
