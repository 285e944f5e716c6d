"""Loading models: every form, and every way in which one can be wrong gives one sentence."""

from __future__ import annotations

import pickle
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tomli_w
import torch
from torch import nn

from fer_deploy.contract import Contract
from fer_deploy.errors import ConfigError, ContractError, FerDeployError, ModelError
from fer_deploy.files import sha256_of
from fer_deploy.model import (
    Model,
    check_against_contract,
    count_parameters,
    deployable,
    load_model,
    save_model,
)
from fer_deploy.model.names import checked_name
from fer_deploy.model.origin import read_model_files
from fer_deploy.zoo import build
from fixtures.synthetic import TINY, Color, contract_for, input_spec

SHIPPED = Path(__file__).resolve().parents[1] / "models" / "fer_s"
FACTORY = """
import torch
def net():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(576, 4))
def loaded():
    made = net()
    made.load_state_dict(torch.load(__file__.replace("own_nets.py", "net.pt"), weights_only=True))
    return made
def number():
    return 4
def broken():
    raise RuntimeError("no licence\\nsecond line")
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(576, 4)
    def forward(self, x):
        return self.layer(x.flatten(1))
"""
Pixels = Callable[[int], torch.Tensor]


class _Bomb:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self.trace)!r}, 'w').close()",))


def _refused(message: str, error: type[FerDeployError], reference: str | Path, **options: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        load_model(reference, **options)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "edges"))


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = tomllib.loads((folder / "model.toml").read_text())
    change(document)
    (folder / "model.toml").write_text(tomli_w.dumps(document))


def _replace_weights(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    digest = sha256_of(folder / "model.safetensors")
    _edit(folder, lambda document: document["weights"].update(sha256=digest))


# --- folders ---------------------------------------------------------------------------------------


def test_shipped_model_answers_by_the_image() -> None:
    model = load_model(SHIPPED)
    assert (model.name, model.fixed_batch) == ("fer_s", None)
    assert not model.network.training
    assert count_parameters(model.network) < 500_000
    with torch.inference_mode():
        logits = model.network(torch.randn(16, 1, 48, 48, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (16, len(model.contract.labels))
    assert logits.std(0).max() > 0.05


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_saved_folder_loads_bit_equal(tmp_path: Path, color: Color) -> None:
    spec = input_spec(32, color)
    network = TINY.build(3, spec.channels).eval()
    contract = contract_for(spec, ("a", "b", "c"))
    save_model(tmp_path / "net", network, TINY, contract, {"card.md": b"x"})
    loaded = load_model(tmp_path / "net")
    assert loaded.contract == contract
    assert loaded.weights_sha256 == sha256_of(tmp_path / "net" / "model.safetensors")
    state = loaded.network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert (tmp_path / "net" / "card.md").read_bytes() == b"x"


def test_saving_again_keeps_other_files(folder: Path) -> None:
    (folder / "card.md").write_text("kept")
    model = load_model(folder)
    (folder / "seeds").mkdir()
    save_model(folder, model.network, TINY, model.contract, {})
    assert (folder / "seeds").is_dir()
    assert (folder / "card.md").read_text() == "kept"
    assert load_model(folder).weights_sha256 == model.weights_sha256
    assert [path.name for path in folder.parent.iterdir()] == ["edges"]


def test_nothing_there(tmp_path: Path) -> None:
    _refused("is none of: a folder with model.toml", ModelError, tmp_path / "none")
    _refused("is none of", ModelError, "weights.onnx")
    _refused(r"model .*model\.toml does not exist", ModelError, tmp_path)


def test_missing_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    _refused(r"weights .*model\.safetensors do not exist", ModelError, folder)


def test_wrong_digest(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    _refused("are damaged or another model's: sha256 is", ModelError, folder)


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_truncated_weights_whose_digest_agrees(folder: Path, length: int) -> None:
    _replace_weights(folder, (folder / "model.safetensors").read_bytes()[:length])
    _refused(r"weights .*model\.safetensors cannot be read", ModelError, folder)


def test_weights_of_another_architecture(folder: Path) -> None:
    _replace_weights(folder, safetensors.torch.save({"x": torch.zeros(2)}))
    _refused("do not fit the architecture: .*Missing key", ModelError, folder)


def test_weights_that_are_not_finite(folder: Path) -> None:
    state = safetensors.torch.load_file(folder / "model.safetensors")
    state["classifier.bias"][0] = float("nan")
    _replace_weights(folder, safetensors.torch.save(state))
    _refused("answers non-finite logits", ModelError, folder)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda d: d["contract"]["labels"].append("fifth"), ModelError, "do not fit the architecture"),
        (lambda d: d["contract"]["labels"].pop(), ModelError, "do not fit the architecture"),
        (
            lambda d: d["contract"]["input"].update(color="rgb", mean=[1.0] * 3, std=[1.0] * 3),
            ModelError,
            "do not fit the architecture",
        ),
        (lambda d: d["contract"]["input"].update(color="rgb"), ContractError, "mean has 1 value"),
        (lambda d: d["contract"].pop("labels"), ContractError, "labels: Field required"),
        (lambda d: d.pop("contract"), ModelError, r"has no \[contract\] table"),
        (lambda d: d.update(contract=3), ModelError, r"has no \[contract\] table"),
        (lambda d: d["architecture"].update(name="vgg"), ModelError, "unknown architecture 'vgg'"),
        (lambda d: d["architecture"].update(width=9.0), ModelError, "Architecture width"),
        (lambda d: d.pop("architecture"), ModelError, "Architecture top level"),
        (lambda d: d.pop("weights"), ModelError, "Weights top level"),
        (lambda d: d["weights"].update(file="../model.safetensors"), ModelError, "Weights file"),
        (lambda d: d["weights"].update(file="model.pt"), ModelError, "Weights file"),
        (lambda d: d["weights"].update(sha256="0" * 64), ModelError, "are damaged or another model's"),
        (lambda d: d["weights"].update(sha256="none"), ModelError, "Weights sha256"),
    ],
)
def test_model_toml_that_contradicts(
    folder: Path, change: Callable[[dict[str, Any]], object], error: type[FerDeployError], says: str
) -> None:
    _edit(folder, change)
    _refused(says, error, folder)


@pytest.mark.parametrize("content", [b"contract = [", b"\xff\xfe", b""])
def test_model_toml_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "model.toml").write_bytes(content)
    _refused(r"model\.toml (is not valid TOML|cannot be read|has no)", ModelError, folder)


def test_folder_carries_its_own_contract(folder: Path) -> None:
    _refused("carries its own contract and weights", ModelError, folder, contract=folder / "model.toml")
    _refused("carries its own contract and weights", ModelError, folder, weights=folder / "w.pt")


# --- exported programs -----------------------------------------------------------------------------


def _write_contract(path: Path, contract: Contract) -> Path:
    path.write_text(tomli_w.dumps({"contract": contract.model_dump(mode="json")}))
    return path


@pytest.fixture
def exported(trained_model: Model, tmp_path: Path) -> Path:
    """edges.pt2 with a symbolic batch, and edges.toml."""
    _write_contract(tmp_path / "edges.toml", trained_model.contract)
    dynamic = ({0: torch.export.Dim("batch", min=1, max=64)},)
    program = torch.export.export(trained_model.network, (torch.zeros(2, 1, 24, 24),), dynamic_shapes=dynamic)
    torch.export.save(program, tmp_path / "edges.pt2")
    return tmp_path / "edges.pt2"


def test_exported_program_equals_the_network(exported: Path, trained_model: Model) -> None:
    model = load_model(exported)
    assert (model.name, model.fixed_batch, model.contract) == ("edges", None, trained_model.contract)
    images = torch.randn(5, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model.network(images), trained_model.network(images))


def test_exported_program_of_one_batch_size(exported: Path, trained_model: Model) -> None:
    program = torch.export.export(trained_model.network, (torch.zeros(3, 1, 24, 24),))
    torch.export.save(program, exported)
    assert load_model(exported).fixed_batch == 3


def test_exported_program_with_another_contract(exported: Path, trained_model: Model) -> None:
    other = contract_for(trained_model.contract.input, ("a", "b", "c", "d"))
    path = _write_contract(exported.parent / "other.toml", other)
    assert load_model(exported, contract=path).contract.labels == ("a", "b", "c", "d")


def test_exported_program_refusals(exported: Path, trained_model: Model) -> None:
    spec = trained_model.contract.input
    toml = exported.with_suffix(".toml")
    _refused(r"exported program .*none\.pt2 does not exist", ModelError, exported.with_name("none.pt2"))
    _refused("carries its own weights", ModelError, exported, weights=exported)
    _write_contract(toml, contract_for(spec, ("a", "b", "c")))
    _refused(r"answers \[1, 4\] where its contract's 3 labels need \[1, 3\]", ModelError, exported)
    _write_contract(toml, contract_for(input_spec(32)))
    _refused(r"does not accept its contract's input \[1, 1, 32, 32\]", ModelError, exported)
    _write_contract(toml, contract_for(input_spec(24, "rgb")))
    _refused(r"does not accept its contract's input \[1, 3, 24, 24\] \(rgb, 3", ModelError, exported)
    toml.write_text("[contract]\n")
    _refused("labels: Field required", ContractError, exported)
    toml.unlink()
    _refused(r"contract .*edges\.toml does not exist", ContractError, exported)


@pytest.mark.parametrize("how", ["empty", "truncated", "text"])
def test_damaged_exported_program(exported: Path, how: str) -> None:
    whole = exported.read_bytes()
    exported.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"no zip" * 50}[how])
    _refused("is not a program that torch.export can load", ModelError, exported)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(576)])
def test_program_exported_in_training_mode(exported: Path, layer: nn.Module) -> None:
    """Its answers would depend on chance, or on the other images of the batch."""
    network = nn.Sequential(nn.Flatten(), layer, nn.Linear(576, 4)).train()
    torch.export.save(torch.export.export(network, (torch.zeros(2, 1, 24, 24),)), exported)
    _refused("was exported in training mode", ModelError, exported)


def test_program_of_two_inputs(exported: Path) -> None:
    class Two(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a + b).flatten(1)[:, :4]

    images = torch.zeros(1, 1, 24, 24)
    torch.export.save(torch.export.export(Two(), (images, images)), exported)
    _refused(r"must take one input of shape \[N, C, H, W\]", ModelError, exported)


# --- factories -------------------------------------------------------------------------------------


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path with the module ``own_nets``, net.safetensors, net.pt and contract.toml."""
    (tmp_path / "own_nets.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    _write_contract(tmp_path / "contract.toml", contract_for(input_spec(24)))
    layer = {"1.weight": torch.randn(4, 576), "1.bias": torch.randn(4)}
    safetensors.torch.save_file(layer, tmp_path / "net.safetensors")
    torch.save(layer, tmp_path / "net.pt")
    yield tmp_path
    sys.modules.pop("own_nets", None)


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
def test_factory_with_its_state_dict(factory: Path, name: str) -> None:
    model = load_model("own_nets:net", factory / "contract.toml", factory / name)
    state = torch.load(factory / "net.pt", weights_only=True)
    assert torch.equal(model.network.state_dict()["1.weight"], state["1.weight"])
    assert model.weights_sha256 == sha256_of(factory / name)
    assert not model.network.training


def test_class_is_a_factory(factory: Path) -> None:
    torch.save({"layer.weight": torch.ones(4, 576), "layer.bias": torch.ones(4)}, factory / "net.pt")
    assert load_model("own_nets:Net", factory / "contract.toml", factory / "net.pt").name == "own_nets"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("own_nets:none", "model factory 'own_nets:none' failed: AttributeError"),
        ("no_such_module:net", "failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_nets:number", "returned int, expected torch.nn.Module"),
        ("own_nets:broken", "failed: RuntimeError: no licence$"),
        ("own_nets:Net", "do not fit the architecture"),
    ],
)
def test_factory_refusals(factory: Path, reference: str, says: str) -> None:
    _refused(says, ModelError, reference, contract=factory / "contract.toml", weights=factory / "net.pt")


def test_factory_needs_a_contract_and_weights_that_are_there(factory: Path) -> None:
    contract, weights = factory / "contract.toml", factory / "net.pt"
    _refused("needs --contract FILE.toml", ModelError, "own_nets:net", weights=weights)
    _refused("weights .* do not exist", ModelError, "own_nets:net", contract=contract, weights=factory / "no")
    _refused("does not exist", ContractError, "own_nets:net", contract=factory / "no", weights=weights)


def test_a_factory_that_draws_its_weights_needs_trained_ones(factory: Path) -> None:
    says = r"draws weights at random \('1.weight' is another at each call\): give the trained ones with --weights"
    _refused(says, ModelError, "own_nets:net", contract=factory / "contract.toml")


def test_a_factory_may_load_its_own_weights(factory: Path) -> None:
    first = load_model("own_nets:loaded", factory / "contract.toml")
    assert torch.equal(first.network.state_dict()["1.weight"], torch.load(factory / "net.pt")["1.weight"])
    assert load_model("own_nets:loaded", factory / "contract.toml").weights_sha256 == first.weights_sha256
    files = read_model_files("own_nets:loaded", factory / "contract.toml", None)
    assert (files.weights_sha256, files.origin.weights) == (first.weights_sha256, None)
    state = torch.load(factory / "net.pt")
    state["1.bias"][0] += 1
    torch.save(state, factory / "net.pt")
    assert load_model("own_nets:loaded", factory / "contract.toml").weights_sha256 != first.weights_sha256


def test_a_model_may_be_called_anything_that_a_folder_may(factory: Path) -> None:
    given: dict[str, Any] = {"contract": factory / "contract.toml", "weights": factory / "net.pt"}
    assert load_model("own_nets:net", **given).name == "own_nets"
    assert load_model("own_nets:net", **given, name="faces 2.1").name == "faces 2.1"
    with pytest.raises(ConfigError, match="model name 'a/b' holds '/', and so is no name for a folder"):
        load_model("own_nets:net", **given, name="a/b")


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", ".x", "-x", "x.", "x ", "a\\b", "a:b", "a\nb", "*", "x" * 101]
)
def test_names_that_are_none_for_a_folder(name: str) -> None:
    with pytest.raises(ConfigError, match=r"and so is no name for a folder; set \[model\] name to letters"):
        checked_name(name)


@pytest.mark.parametrize("pack", ["zip", "plain"])
def test_pickle_that_would_run_code_is_refused_and_not_run(factory: Path, pack: str) -> None:
    bomb = {"1.weight": _Bomb(factory / "executed")}
    if pack == "zip":
        torch.save(bomb, factory / "net.pt")
    else:
        (factory / "net.pt").write_bytes(pickle.dumps(bomb))
    options = {"contract": factory / "contract.toml", "weights": factory / "net.pt"}
    _refused(r"weights .*net\.pt cannot be read: it is not", ModelError, "own_nets:net", **options)
    assert not (factory / "executed").exists()


@pytest.mark.parametrize("state", [{"1.weight": 3}, {1: torch.ones(2)}, {"model": {"1.bias": torch.ones(4)}}])
def test_no_state_dict(factory: Path, state: object) -> None:
    torch.save(state, factory / "net.pt")
    options = {"contract": factory / "contract.toml", "weights": factory / "net.pt"}
    _refused("hold no state dict", ModelError, "own_nets:net", **options)


# --- what is lowered -------------------------------------------------------------------------------


@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_deployable_normalises_pixels_first(color: Color) -> None:
    spec = input_spec(24, color)
    network = build("fer_xs", 4, spec.channels, 0.5).eval()
    model = Model("net", "net", network, contract_for(spec), "")
    pixels = torch.randint(0, 256, (3, *spec.shape[1:]), generator=torch.Generator().manual_seed(1)).float()
    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (spec.mean, spec.std))
    module = deployable(model)
    assert not any(child.training for child in module.modules())
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels), network((pixels - mean) / std), atol=1e-5, rtol=1e-4)


def test_deployable_of_an_exported_program(exported: Path) -> None:
    model = load_model(exported)
    pixels = torch.randint(0, 256, (2, 1, 24, 24), generator=torch.Generator().manual_seed(1)).float()
    with torch.inference_mode():
        expected = model.network((pixels - 128) / 64)
        torch.testing.assert_close(deployable(model)(pixels), expected, atol=1e-5, rtol=1e-4)


class _Answering(nn.Module):
    """Answers whatever ``shape_answer`` makes of (N, 4) logits."""

    def __init__(self, shape_answer: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.shape_answer = shape_answer

    def forward(self, x: torch.Tensor) -> object:
        return self.shape_answer(x.mean((1, 2, 3), keepdim=False)[:, None].repeat(1, 4))


@pytest.mark.parametrize(
    ("shape_answer", "said", "remedy"),
    [
        (lambda x: (x, x.mean()), "a tuple ([0] [1, 4], [1] [])", "network(x)[0]"),
        (lambda x: [x[:, :1], x], "a list ([0] [1, 1], [1] [1, 4])", "network(x)[1]"),
        (
            lambda x: {"features": x[0], "logits": x},
            "a dict (['features'] [4], ['logits'] [1, 4])",
            "network(x)['logits']",
        ),
        (lambda x: {"a": x[0]}, "a dict (['a'] [4])", "returns the logits alone, one tensor"),
        (lambda _: None, "a NoneType", "returns the logits alone, one tensor"),
        (lambda x: x[..., None, None], "[1, 4, 1, 1]", "logits.flatten(1)"),
        (lambda x: x[0], "[4]", "logits[None]"),
        (lambda x: x[:, :3], "[1, 3]", "correct the labels or the model's last layer"),
    ],
)
def test_an_answer_that_is_not_a_row_of_logits_is_told_the_way(
    shape_answer: Callable[[torch.Tensor], object], said: str, remedy: str
) -> None:
    """The way must be right for what was answered: there is no last layer to mend where a tuple is."""
    network = _Answering(shape_answer)
    with pytest.raises(ModelError) as refused:
        check_against_contract(Model("odd", "odd", network, contract_for(input_spec()), ""))
    assert f"answers {said} where its contract's 4 labels need [1, 4]; " in str(refused.value)
    assert str(refused.value).endswith(remedy) or f"{remedy}: one row" in str(refused.value)
