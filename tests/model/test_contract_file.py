"""A fitted confidence goes into the contract's own file, and nothing else in that file changes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fer_deploy.contract import Confidence, NoFace, load_contract
from fer_deploy.errors import ContractError, ModelError
from fer_deploy.model import contract_file, write_confidence

_RULE = NoFace(weights=(0.5, -1.25), energy=-1.5, bias=2.0, above=0.5, kept=0.98, fitted_on="faces")
FOUND = Confidence(temperature=0.75, unsure_below=0.5, coverage=0.8, fitted_on="faces", no_face=_RULE)

DOTTED = """contract.labels = ['calm', 'glad']
contract.input = {color = 'grey', height = 24, width = 24, mean = [0.5], std = [0.25]}
contract.trained_on = {dataset = 'faces', split = 'train'}
"""
HEAD = "# ours\n[contract]  # of the app\nlabels = [\n  'calm',  # first\n  \"glad\",\n]\n"
INPUT = "\n[contract.input]\ncolor = 'grey'\nheight = 24\nwidth = 24\nmean = [0.5]\nstd = [0.25]  # of the trainer\n"
TRAINED = "\n[contract.trained_on]\ndataset = 'faces'\nsplit = 'train'\n"
OTHER = "\n[team]\nname = 'ours' # kept\n"
OLD = "\n[contract.confidence]\ntemperature = 2.0\nfitted_on = 'before'\n"

WRITTEN = {
    "plain": HEAD + INPUT + TRAINED,
    "no end of line": (HEAD + INPUT + TRAINED).rstrip("\n"),
    "another table behind": HEAD + INPUT + TRAINED + OTHER,
    "another table before": OTHER + HEAD + INPUT + TRAINED,
    "fitted before": HEAD + INPUT + TRAINED + OLD + OTHER,
    "fitted before, in the middle": HEAD + INPUT + OLD + TRAINED,
    "Windows": "\ufeff" + (HEAD + INPUT + TRAINED).replace("\n", "\r\n"),
    "tables within a table": "[contract]\nlabels = ['calm', 'glad']\n"
    "input = {color = 'grey', height = 24, width = 24, mean = [0.5], std = [0.25]}\n"
    "trained_on = {dataset = 'faces', split = 'train'}\n",
    "one table": "contract = {labels = ['calm', 'glad'], "
    "input = {color = 'grey', height = 24, width = 24, mean = [0.5], std = [0.25]}, "
    "trained_on = {dataset = 'faces', split = 'train'}}\n",
    "no header of its own": INPUT + TRAINED + HEAD + OTHER,
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("found", [FOUND, FOUND.model_copy(update={"no_face": None})], ids=["rule", "none"])
def test_only_the_confidence_changes(tmp_path: Path, text: str, found: Confidence) -> None:
    file = tmp_path / "contract.toml"
    file.write_bytes(text.encode())
    before = tomllib.loads(text.removeprefix("\ufeff"))
    write_confidence(file, found)
    assert load_contract(file).confidence == found
    after = tomllib.loads(file.read_bytes().decode())
    before["contract"].pop("confidence", None)
    after["contract"].pop("confidence")
    assert after == before
    kept = file.read_text(encoding="utf-8")
    for comment in ("# ours", "# of the app", "# first", "# of the trainer", "# kept"):
        assert (comment in kept) == (comment in text)
    assert (b"\r\n" in file.read_bytes()) == ("\r\n" in text)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_fitting_again_changes_nothing_more(tmp_path: Path, text: str) -> None:
    file = tmp_path / "contract.toml"
    file.write_bytes(text.encode())
    write_confidence(file, FOUND)
    once = file.read_bytes()
    write_confidence(file, FOUND)
    assert tomllib.loads(file.read_bytes().decode()) == tomllib.loads(once.decode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[contract", "not valid TOML"),
        ("a = 1\n", r"no \[contract\] table"),
        (HEAD, "in .* is not valid"),
        (DOTTED, "a table cannot be added to"),
    ],
)
def test_a_damaged_file_is_left_as_it_is(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "contract.toml"
    file.write_text(text)
    with pytest.raises(ContractError, match=said):
        write_confidence(file, FOUND)
    assert file.read_text() == text


def test_a_rule_for_other_labels_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    file.write_text(WRITTEN["plain"])
    rule = _RULE.model_copy(update={"weights": (1.0, 2.0, 3.0)})
    with pytest.raises(ContractError, match="3 weights for 2 labels"):
        write_confidence(file, FOUND.model_copy(update={"no_face": rule}))
    assert file.read_text() == WRITTEN["plain"]


def test_which_file_holds_a_contract(tmp_path: Path) -> None:
    assert contract_file(str(tmp_path)) == tmp_path / "model.toml"
    assert contract_file("nets/mine.pt2") == Path("nets/mine.toml")
    assert contract_file("nets/mine.pt2", Path("ours.toml")) == Path("ours.toml")
    assert contract_file("nets:mine", Path("ours.toml")) == Path("ours.toml")
    with pytest.raises(ModelError, match=r"needs --contract FILE\.toml"):
        contract_file("nets:mine")
