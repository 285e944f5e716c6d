"""Models: a network and its Contract, from the zoo, from an exported program, or from a factory.

Zoo folders hold TOML and safetensors and execute nothing. ``package.module:factory`` imports and
calls the user's own code: it is the one explicit exception.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from fer_deploy.contract import (
    Contract,
    Frozen,
    contract_table,
    first_problem,
    load_contract,
    parse_contract,
)
from fer_deploy.errors import ModelError
from fer_deploy.files import folder_atomic, read_toml, sha256_of, write_atomic
from fer_deploy.safe_load import load_dict

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

MODEL_FILE = "model.toml"
WEIGHTS_FILE = "model.safetensors"


class Architecture(Frozen):
    """``[architecture]`` of a model.toml: a zoo name and what :func:`fer_deploy.zoo.build` changes of its table."""

    name: str
    width: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on channel counts")
    depth: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on the repeats of every stage")
    expansion: int | None = Field(default=None, ge=1, le=8, description="of every bottleneck that expands")
    activation: Literal["relu6", "relu"] = "relu6"

    @property
    def label(self) -> str:
        """The name and what differs from its table, e.g. ``fer_s``, ``mobilenet_v2 x0.5``."""
        parts = [self.name]
        parts += [f"x{self.width:g}"] if self.width != 1 else []
        parts += [f"depth {self.depth:g}"] if self.depth != 1 else []
        parts += [f"expansion {self.expansion}"] if self.expansion is not None else []
        parts += [self.activation] if self.activation != "relu6" else []
        return " ".join(parts)

    def build(self, num_classes: int, channels: int) -> nn.Module:
        """Return the network with freshly drawn weights.

        Raises:
            ModelError: see :func:`fer_deploy.zoo.build`.
        """
        from fer_deploy.zoo import build

        options = self.model_dump(exclude={"name"})
        return build(self.name, num_classes, channels, **options)


class Weights(Frozen):
    """``[weights]`` of a model.toml: a safetensors file beside it and its digest."""

    file: str = Field(pattern=r"^[^/\\]+\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Model:
    """A float network in evaluation mode and its Contract.

    Attributes:
        network: maps normalised float32 (N, C, H, W) to logits float32 (N, K).
        source: what it was loaded from, for people.
        weights_sha256: digest of the weights file.
        fixed_batch: the only batch size the network accepts, or None when any will do.
    """

    name: str
    source: str
    network: nn.Module
    contract: Contract
    weights_sha256: str
    fixed_batch: int | None = None


def load_model(reference: str | Path, contract: Path | None = None, weights: Path | None = None) -> Model:
    """Return the model that ``reference`` names, checked against its contract.

    Args:
        reference: a folder with model.toml; a ``.pt2`` exported program; or ``package.module:factory``,
            a callable that takes no argument and returns an ``nn.Module``.
        contract: contract TOML; required for a factory; for a ``.pt2`` the default is the file of the
            same name with the ending ``.toml``. A folder carries its own.
        weights: state dict of a factory's module (``.safetensors``, or ``.pt`` loaded weights_only).

    Raises:
        ModelError: nothing there, damaged weights, or a model that contradicts its contract.
        ContractError: the contract is missing or malformed.
    """
    text = str(reference)
    path = Path(text)
    if path.is_dir():
        model = _load_folder(path, contract, weights)
    elif text.endswith(".pt2"):
        model = _load_exported(path, contract, weights)
    elif _is_factory(text):
        model = _load_factory(text, contract, weights)
    else:
        raise ModelError(
            f"model '{text}' is none of: a folder with {MODEL_FILE}, a .pt2 exported program, package.module:factory"
        )
    check_against_contract(model)
    return model


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
    with folder_atomic(folder) as temporary:
        if folder.exists():
            for file in folder.iterdir():
                if file.is_file():
                    (temporary / file.name).write_bytes(file.read_bytes())
        (temporary / WEIGHTS_FILE).write_bytes(safetensors.torch.save(state))
        document = {
            "contract": contract.model_dump(mode="json"),
            "architecture": architecture.model_dump(mode="json", exclude_none=True),
            "weights": {"file": WEIGHTS_FILE, "sha256": sha256_of(temporary / WEIGHTS_FILE)},
        }
        write_atomic(temporary / MODEL_FILE, tomli_w.dumps(document))
        for name, content in extra.items():
            write_atomic(temporary / name, content)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable-kind values: parameters, without BatchNorm statistics."""
    return sum(parameter.numel() for parameter in network.parameters())


def deployable(model: Model) -> nn.Module:
    """Return the module that targets lower: float32 pixels 0..255 (N, C, H, W) in, logits (N, K) out.

    Normalisation is its first operation, so that no app repeats it. It is written as a 1 x 1 depthwise
    convolution, the one form that all targets delegate, quantize per channel and fuse; being ahead of
    the first padding it is exact at the borders, where folding it into the stem would not be.
    """
    import torch
    from torch import nn

    spec = model.contract.input
    channels = spec.channels
    normalise = nn.Conv2d(channels, channels, 1, groups=channels)
    std = torch.tensor(spec.std, dtype=torch.float32)
    with torch.no_grad():
        normalise.weight.copy_((1 / std).view(channels, 1, 1, 1))
        assert normalise.bias is not None
        normalise.bias.copy_(-torch.tensor(spec.mean, dtype=torch.float32) / std)
    module = nn.Sequential()
    module.add_module("normalise", normalise)
    module.add_module("network", model.network)
    # Not module.eval(): exported programs refuse to be switched, and were checked when loaded.
    normalise.requires_grad_(False)
    module.training = False
    normalise.training = False
    return module


def check_against_contract(model: Model) -> None:
    """Run the model once on the contract's input shape.

    Raises:
        ModelError: it does not accept that shape, or does not answer one logit per label.
    """
    import torch

    spec, labels = model.contract.input, model.contract.labels
    batch = torch.zeros((model.fixed_batch or 1, *spec.shape[1:]), dtype=torch.float32)
    try:
        with torch.inference_mode():
            logits: Tensor = model.network(batch)
    except Exception as error:  # any failure of foreign code on this input is the finding
        raise ModelError(
            f"model {model.source} does not accept its contract's input {list(batch.shape)} "
            f"({spec.color}, {spec.channels} channel(s)): {_first_line(error)}"
        ) from None
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (len(batch), len(labels)):
        shape = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(
            f"model {model.source} answers {shape} where its contract's {len(labels)} labels need "
            f"[{len(batch)}, {len(labels)}]; correct the labels or the model's last layer"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(f"model {model.source} answers non-finite logits on a plain grey image")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _is_factory(text: str) -> bool:
    module, _, name = text.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _load_folder(folder: Path, contract: Path | None, weights: Path | None) -> Model:
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
    _load_state(network, _read_state(file), file)
    return Model(folder.resolve().name, str(folder), network.eval(), parsed, digest)


def _load_exported(path: Path, contract: Path | None, weights: Path | None) -> Model:
    import torch

    if weights is not None:
        raise ModelError(f"exported program {path} carries its own weights; leave --weights out")
    if not path.is_file():
        raise ModelError(f"exported program {path} does not exist")
    parsed = load_contract(contract or path.with_suffix(".toml"))
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises many kinds here, none of them documented
        raise ModelError(
            f"{path} is not a program that torch.export can load: {_first_line(error)}"
        ) from None
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


def _load_factory(text: str, contract: Path | None, weights: Path | None) -> Model:
    import torch

    if contract is None or weights is None:
        raise ModelError(f"model factory '{text}' needs --contract FILE.toml and --weights FILE")
    parsed = load_contract(contract)
    module_name, _, name = text.partition(":")
    try:
        network: Any = getattr(importlib.import_module(module_name), name)()
    except Exception as error:  # the user's own code may raise anything
        raise ModelError(
            f"model factory '{text}' failed: {type(error).__name__}: {_first_line(error)}"
        ) from None
    if not isinstance(network, torch.nn.Module):
        raise ModelError(
            f"model factory '{text}' returned {type(network).__name__}, expected torch.nn.Module"
        )
    if not weights.is_file():
        raise ModelError(f"weights {weights} do not exist")
    _load_state(network, _read_state(weights), weights)
    return Model(name, text, network.eval(), parsed, sha256_of(weights))


def _read_state(file: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch
    import torch

    try:
        if file.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(file))
        state = load_dict(file)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"weights {file} cannot be read: {_first_line(error)}") from None
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise ModelError(f"weights {file} hold no state dict (names to tensors)")
    return state


def _load_state(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise ModelError(f"weights {file} do not fit the architecture: {detail}") from None
