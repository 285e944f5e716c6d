from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from fer_deploy.contract import (
    Confidence,
    Contract,
    InputSpec,
    TrainedOn,
    contract_table,
    load_contract,
    parse_contract,
)
from fer_deploy.errors import ContractError, TrainingError

TABLE: dict[str, Any] = {
    "labels": ["neutral", "happiness", "surprise"],
    "input": {
        "height": 48,
        "width": 64,
        "color": "grey",
        "resize": "bilinear",
        "antialias": True,
        "crop_margin": 0.1,
        "mean": [128.0],
        "std": [64.0],
    },
    "trained_on": {"dataset": "FER+", "split": "Training", "note": "without twins"},
}

#: Another valid value for each field; ``antialias`` has only one.
OTHER_VALUES: list[tuple[tuple[str, ...], Any]] = [
    (("labels",), ["neutral", "happiness", "anger"]),
    (("labels",), ["happiness", "neutral", "surprise"]),
    (("input", "height"), 47),
    (("input", "width"), 65),
    (("input", "resize"), "bicubic"),
    (("input", "crop_margin"), 0.1000001),
    (("input", "mean"), [127.5]),
    (("input", "std"), [64.5]),
    (("trained_on", "dataset"), "FER2013"),
    (("trained_on", "split"), "training"),
    (("trained_on", "note"), ""),
    (("confidence",), {"temperature": 1.0, "fitted_on": "FER+ PublicTest"}),
]


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    table = copy.deepcopy(TABLE)
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return table


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, (*path, name))
        else:
            yield (*path, name)


words = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() != "")
fractions = st.floats(0, 1).map(abs)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    colors: tuple[Literal["grey", "rgb"], ...] = ("grey", "rgb")
    color = draw(st.sampled_from(colors))
    channels = 1 if color == "grey" else 3
    return Contract(
        labels=tuple(draw(st.lists(words, min_size=2, max_size=8, unique=True))),
        input=InputSpec(
            height=draw(st.integers(16, 512)),
            width=draw(st.integers(16, 512)),
            color=color,
            resize=draw(st.sampled_from(("bilinear", "bicubic"))),
            crop_margin=draw(fractions),
            mean=tuple(draw(fractions) * 255 for _ in range(channels)),
            std=tuple(draw(fractions) * 255 + 1e-3 for _ in range(channels)),
        ),
        trained_on=TrainedOn(dataset=draw(words), split=draw(st.text(max_size=8)), note=draw(st.text())),
        confidence=draw(
            st.none()
            | st.builds(
                Confidence,
                temperature=st.floats(0.01, 100),
                unsure_below=st.floats(0, 0.99).map(abs),
                coverage=st.floats(0.01, 1),
                fitted_on=words,
            )
        ),
    )


def test_a_contract_says_what_its_table_says() -> None:
    contract = parse_contract(TABLE, "here")
    assert contract.labels == ("neutral", "happiness", "surprise")
    assert contract.input.shape == (1, 1, 48, 64)
    assert contract.input.std == (64.0,)
    assert contract.model_dump(mode="json") == TABLE


def test_rgb_has_three_channels() -> None:
    spec = InputSpec(height=16, width=20, color="rgb", mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0))
    assert spec.channels == 3
    assert spec.shape == (1, 3, 16, 20)


def test_defaults() -> None:
    spec = InputSpec(height=16, width=16, color="grey", mean=(0.0,), std=(1.0,))
    assert (spec.resize, spec.antialias, spec.crop_margin) == ("bilinear", True, 0.0)
    assert TrainedOn(dataset="x") == TrainedOn(dataset="x", split="", note="")


def test_a_contract_cannot_be_changed() -> None:
    contract = parse_contract(TABLE, "here")
    with pytest.raises(ValidationError, match="frozen"):
        contract.labels = ("a", "b")
    with pytest.raises(ValidationError, match="frozen"):
        contract.input.height = 32


def test_the_hash_stays() -> None:
    # Artifacts carry it: a change here makes every artifact made before look like another model's.
    canonical = (
        '{"input":{"antialias":true,"color":"grey","crop_margin":0.1,"height":48,"mean":[128.0],'
        '"resize":"bilinear","std":[64.0],"width":64},"labels":["neutral","happiness","surprise"],'
        '"trained_on":{"dataset":"FER+","note":"without twins","split":"Training"}}'
    )
    digest = "6f58d76d764719a02cdf257b944ff882c285b5802a5aab5a9fe123a8283720f3"
    assert parse_contract(TABLE, "here").sha256 == digest
    assert hashlib.sha256(canonical.encode()).hexdigest() == digest


def test_whole_numbers_and_the_order_of_keys_do_not_change_the_hash() -> None:
    other = {key: TABLE[key] for key in reversed(TABLE)}
    other["input"] = {**dict(reversed(TABLE["input"].items())), "mean": [128], "std": [64]}
    assert parse_contract(other, "here").sha256 == parse_contract(TABLE, "here").sha256


@pytest.mark.parametrize(("path", "value"), OTHER_VALUES)
def test_the_hash_changes_with_every_field(path: tuple[str, ...], value: Any) -> None:
    assert parse_contract(changed(path, value), "here").sha256 != parse_contract(TABLE, "here").sha256


def test_the_hash_changes_with_the_color() -> None:
    rgb = changed(("input",), {**TABLE["input"], "color": "rgb", "mean": [128.0] * 3, "std": [64.0] * 3})
    assert parse_contract(rgb, "here").sha256 != parse_contract(TABLE, "here").sha256


def test_without_a_confidence_probabilities_are_the_plain_softmax() -> None:
    plain = parse_contract(TABLE, "here")
    assert (plain.temperature, plain.unsure_below) == (1.0, 0.0)
    sure = {"temperature": 0.7, "unsure_below": 0.6, "coverage": 0.8, "fitted_on": "FER+ PublicTest"}
    contract = parse_contract(changed(("confidence",), sure), "here")
    assert (contract.temperature, contract.unsure_below) == (0.7, 0.6)
    others = [{**sure, key: {**sure, "temperature": 0.8, "fitted_on": "x"}[key]} for key in sure]
    digests = {parse_contract(changed(("confidence",), one), "here").sha256 for one in others}
    assert len(digests) == 3


def test_no_field_is_forgotten_above() -> None:
    tried = {path for path, _ in OTHER_VALUES} | {("input", "color"), ("input", "antialias")}
    assert set(leaves(Contract)) == tried


@given(contracts(), contracts())
def test_contracts_are_equal_when_their_hashes_are(one: Contract, other: Contract) -> None:
    assert (one == other) == (one.sha256 == other.sha256)


@given(contracts())
def test_json_round_trip(contract: Contract) -> None:
    again = Contract.model_validate_json(contract.model_dump_json())
    assert again == contract
    assert again.sha256 == contract.sha256


@given(contracts())
def test_toml_round_trip(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> None:
    path = tmp_path_factory.getbasetemp() / "contract.toml"
    path.write_bytes(tomli_w.dumps({"contract": contract.model_dump(mode="json")}).encode())
    again = load_contract(path)
    assert again == contract
    assert again.sha256 == contract.sha256


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("labels",), ["only"], "labels: .* at least 2 items"),
        (("labels",), ["a", "a"], "labels must be non-empty and all different, got .'a', 'a'."),
        (("labels",), ["a", " "], "labels must be non-empty and all different"),
        (("labels",), "ab", "labels: "),
        (("input", "height"), 15, "input.height: .* greater than or equal to 16"),
        (("input", "width"), 513, "input.width: .* less than or equal to 512"),
        (("input", "color"), "bgr", "input.color: .*'grey' or 'rgb'"),
        (("input", "color"), "rgb", "mean has 1 value.s. but color = 'rgb' has 3 channel.s."),
        (("input", "resize"), "nearest", "input.resize: .*'bilinear' or 'bicubic'"),
        (("input", "antialias"), False, "input.antialias: "),
        (("input", "crop_margin"), -0.1, "input.crop_margin: "),
        (("input", "crop_margin"), 1.1, "input.crop_margin: "),
        (("input", "crop_margin"), math.nan, "input.crop_margin: "),
        (("input", "mean"), [-1.0], "mean is in pixel units 0..255, got .-1.0."),
        (("input", "mean"), [255.5], "mean is in pixel units 0..255"),
        (("input", "mean"), [math.nan], "input.mean.0: .*finite number"),
        (("input", "std"), [0.0], "every std must be above zero, got .0.0."),
        (("input", "std"), [math.nan], "input.std.0: .*finite number"),
        (("input", "std"), [math.inf], "input.std.0: .*finite number"),
        (("input", "std"), [1.0, 1.0], "std has 2 value.s. but color = 'grey' has 1 channel.s."),
        (("input", "scale"), 2, "input.scale: unknown key"),
        (("trained_on",), {}, "trained_on.dataset: Field required"),
        (("licence",), "MIT", "licence: unknown key"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(path: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(ContractError, match=f"^contract in here.toml is not valid: .*{message}"):
        parse_contract(changed(path, value), "here.toml")


@pytest.mark.parametrize("key", ["labels", "input", "trained_on"])
def test_a_missing_table_is_named(key: str) -> None:
    table = {name: value for name, value in TABLE.items() if name != key}
    with pytest.raises(ContractError, match=f"contract in here is not valid: {key}: Field required"):
        parse_contract(table, "here")


def test_load_contract_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    with pytest.raises(ContractError, match=r"contract .*model\.toml does not exist"):
        load_contract(path)
    path.write_text("[contract")
    with pytest.raises(ContractError, match=r"contract .*model\.toml is not valid TOML"):
        load_contract(path)
    path.write_text("contract = 3")
    with pytest.raises(ContractError, match=r"model\.toml has no \[contract\] table; add labels"):
        load_contract(path)
    path.write_text("[contract]\n")
    with pytest.raises(
        ContractError, match=r"contract in .*model\.toml is not valid: labels: Field required"
    ):
        load_contract(path)


def test_contract_table_raises_what_it_is_told_to(tmp_path: Path) -> None:
    assert contract_table({"contract": TABLE}, tmp_path) is TABLE
    with pytest.raises(TrainingError, match=r"has no \[contract\] table"):
        contract_table({}, tmp_path, TrainingError)
