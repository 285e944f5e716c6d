"""What a project starts from: taken from flags, read from the model, or asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from fer_deploy.contract import Contract, parse_contract
from fer_deploy.data.registry import DatasetSpec, labels_of
from fer_deploy.errors import ConfigError, ModelError, WeightsError
from fer_deploy.model import Model, check_against_contract, load_model
from fer_deploy.model.names import is_factory, model_name
from fer_deploy.pipeline.evaluate import dataset_spec
from fer_deploy.start import answers
from fer_deploy.start.network import Network, read_exported, read_factory

CONTRACT_FILE = "contract.toml"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Given:
    """What the user said; None: nothing. Texts are as they were typed."""

    model: str | None = None
    contract: Path | None = None
    weights: Path | None = None
    name: str | None = None
    size: str | None = None
    color: str | None = None
    labels: str | None = None
    dataset: str | None = None
    data: str | None = None
    mean: str | None = None
    std: str | None = None

    def of_contract(self) -> list[str]:
        """Return the flags that say something which a contract says too."""
        return [f"--{key}" for key in ("size", "color", "labels", "mean", "std") if getattr(self, key)]


@dataclass(frozen=True)
class Project:
    """What the files of a new project say.

    Attributes:
        reference: the model, as ``[model] path`` names it.
        contract: of the model.
        contract_file: where it stands; None: where the model is looked for it anyway.
        written: True when that file is to be written.
    """

    reference: str
    weights: Path | None
    name: str | None
    contract: Contract
    contract_file: Path | None
    written: bool
    data: DatasetSpec

    @property
    def called(self) -> str:
        """The model's name."""
        return model_name(self.reference, self.name)


class Ask(Protocol):
    """Takes a fact from a flag, or from the user where there is one to ask."""

    @property
    def may_ask(self) -> bool:
        """Whether there is."""
        ...

    def __call__(
        self,
        question: str,
        flag: str,
        given: str | None,
        parse: Callable[[str], Answer],
        default: str | None = None,
    ) -> Answer:
        """Return what ``parse`` makes of ``given``, else of the answer, else of ``default``."""
        ...


def gather(given: Given, ask: Ask) -> Project:
    """Return the project that ``given`` and the model's own files describe, after asking for the rest.

    Raises:
        FerDeployError: the model or the images cannot be read, or what was said contradicts them.
    """
    question = "Model: package.module:factory, a .pt2 file or a model folder"
    reference = ask(question, "--model", given.model, answers.model_reference)
    model_name(reference, given.name)
    beside = reference.endswith(".pt2") and Path(reference).with_suffix(".toml").is_file()
    if beside or given.contract is not None or Path(reference).is_dir():
        return _with_its_contract(reference, given, ask)
    network, weights = _network(reference, given.weights, ask)
    contract, data = _contract(network, given, ask)
    model = Model(given.name or reference, reference, network.module, contract, "", network.shape[0])
    check_against_contract(model)
    return Project(reference, weights, given.name, contract, Path(CONTRACT_FILE), True, data)


def _with_its_contract(reference: str, given: Given, ask: Ask) -> Project:
    """Return the project of a model that has a contract already."""
    if strays := given.of_contract():
        raise ConfigError(
            f"model {reference} has its contract already; leave {', '.join(strays)} out, or change the contract"
        )
    model = load_model(reference, given.contract, given.weights, given.name)
    data = _data(given, ask)
    answers.class_labels(",".join(model.contract.labels), data, len(model.contract.labels), reference)
    return Project(reference, given.weights, given.name, model.contract, given.contract, False, data)


def _network(reference: str, weights: Path | None, ask: Ask) -> tuple[Network, Path | None]:
    """Return the network and the file of its weights, which is asked for where the network needs one."""
    if not is_factory(reference):
        if weights is not None:
            raise ModelError(f"exported program {reference} carries its own weights; leave --weights out")
        return read_exported(Path(reference)), None
    try:
        return read_factory(reference, weights), weights
    except WeightsError:
        if not ask.may_ask:
            raise
    question = f"{reference} draws its weights at random; file with the trained ones (.safetensors or .pt)"

    def read(text: str) -> tuple[Network, Path]:
        file = answers.weights_file(text)
        return read_factory(reference, file), file

    return ask(question, "--weights", None, read)


def _contract(network: Network, given: Given, ask: Ask) -> tuple[Contract, DatasetSpec]:
    """Return the contract of a network that has none yet, and the images, whose folders may name the labels."""
    channels = _channels(network, given, ask)
    height, width = _size(network, given, ask)
    classes = network.classes(channels, height, width)
    data = _data(given, ask)
    labels = _labels(network.source, classes, data, given, ask)
    mean = ask(
        "Mean that training subtracted, in pixels of 0..255; one number, or one for each channel",
        "--mean",
        given.mean,
        lambda text: answers.per_channel(text, "mean", channels),
        "0",
    )
    std = ask(
        "Standard deviation that training divided by, in the same unit",
        "--std",
        given.std,
        lambda text: answers.per_channel(text, "std", channels),
        "255",
    )
    table = {
        "labels": labels,
        "input": {
            "height": height,
            "width": width,
            "color": answers.COLORS[channels],
            "mean": mean,
            "std": std,
        },
        "trained_on": {"dataset": data.path.resolve().name if data.path is not None else data.kind},
    }
    return parse_contract(table, "your answers"), data


def _channels(network: Network, given: Given, ask: Ask) -> int:
    """Return the channels of the input, which the network shows or the user says."""
    shown = network.shape[1]
    if shown is None:
        return ask("Colour of the input: grey or rgb", "--color", given.color, answers.channels)
    if shown not in answers.COLORS:
        raise ModelError(
            f"model {network.source} takes {shown} channels; a face comes in 1 (grey) or 3 (rgb)"
        )
    if given.color is not None and answers.channels(given.color) != shown:
        raise ConfigError(
            f"--color is {given.color} but model {network.source} takes {shown} channel(s); leave it out"
        )
    return shown


def _size(network: Network, given: Given, ask: Ask) -> tuple[int, int]:
    """Return height and width of the input, which the network shows or the user says."""
    _, _, height, width = network.shape
    if height is None or width is None:
        question = "Size of the input in pixels, as in training: 64, or HEIGHTxWIDTH"
        return ask(question, "--size", given.size, answers.size)
    if given.size is not None and answers.size(given.size) != (height, width):
        raise ConfigError(
            f"--size is {given.size} but model {network.source} takes {height}x{width} pixels; leave it out"
        )
    return height, width


def _data(given: Given, ask: Ask) -> DatasetSpec:
    """Return the images; a folder of them is asked for where no other data set is named."""
    if given.dataset not in (None, "folder"):
        return dataset_spec(given.dataset, Path(given.data) if given.data is not None else None)
    question = "Images: a folder with train/<label>/ and test/<label>/"
    return DatasetSpec(kind="folder", path=ask(question, "--data", given.data, answers.image_folder))


def _labels(source: str, classes: int, data: DatasetSpec, given: Given, ask: Ask) -> tuple[str, ...]:
    """Return the labels in the order of the network's outputs: as given, else as the images have them."""
    if given.labels is None and not ask.may_ask:
        return answers.class_labels(None, data, classes, source)
    question = f"Labels of the {classes} classes, in the order of the network's outputs"
    default = ",".join(labels_of(data))
    return ask(
        question,
        "--labels",
        given.labels,
        lambda text: answers.class_labels(text, data, classes, source),
        default,
    )
