"""Hostile files: whatever a configuration, profile, contract, artifact, report or image holds, one clear sentence.

A quick round runs always; the thorough one (a thousand of each kind) is marked slow.
"""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_deploy.errors import FerDeployError
from fixtures import hostile
from fixtures.hostile import Kind
from fixtures.lowered import Lower

ROUNDS = [pytest.param(25, id="quick"), pytest.param(1000, id="thorough", marks=pytest.mark.slow)]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.sampled_from(
        ["", "..", "/", "\x00", "NaN", "a" * 5000, "../../etc/passwd", "\ud7ff", "{{ 7 * 7 }}", "x:y"]
    ),
    st.text(max_size=20),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in a document."""
    found = [above] if above else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*above, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one to three values replaced, removed or added."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        ways = paths(changed)
        if not ways:
            break
        *way, last = draw(st.sampled_from(ways))
        place: Any = changed
        for key in way:
            place = place[key]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            place[last] = draw(VALUES)
        elif action == "remove":
            del place[last]
        elif isinstance(place, dict):
            place[draw(st.text(min_size=1, max_size=12))] = draw(VALUES)
    return changed


def as_toml(document: Any) -> bytes | None:
    """Return TOML, or None for what TOML cannot hold, such as null."""
    try:
        return tomli_w.dumps(document).encode()
    except (TypeError, ValueError, UnicodeEncodeError):
        return None


def as_json(document: Any) -> bytes:
    return json.dumps(document, default=str).encode("utf-8", "surrogatepass")


def survive(examples: int, source: st.SearchStrategy[bytes | None], kind: Kind) -> None:
    """Let the kind's reader read ``examples`` of the files: it returns, or says in one sentence why not."""

    @settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(source)
    def attempt(raw: bytes | None) -> None:
        if raw is None:
            return
        refused = None
        try:
            kind.read(raw)
        except FerDeployError as error:
            refused = error
        assert refused is None or (str(refused).strip() and refused.exit_code == 2)

    attempt()


def files_of(document: dict[str, Any], write: Any) -> st.SearchStrategy[bytes | None]:
    """Mutated documents, documents cut short, and plain bytes."""
    whole = write(document)
    assert whole is not None
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    return st.one_of(mutated(document).map(write), cut, st.binary(max_size=200))


@pytest.mark.parametrize("examples", ROUNDS)
class TestToml:
    def test_configuration(self, examples: int, tmp_path: Path) -> None:
        files = files_of(hostile.configuration_document(), as_toml)
        survive(examples, files, hostile.configuration(tmp_path))

    def test_contract(self, examples: int, tmp_path: Path) -> None:
        survive(examples, files_of(hostile.contract_document(), as_toml), hostile.contract(tmp_path))

    def test_device_profile(self, examples: int, tmp_path: Path) -> None:
        kind = hostile.profile(tmp_path)
        survive(examples, files_of(tomllib.loads(kind.seeds[0].decode()), as_toml), kind)


@pytest.mark.parametrize("examples", ROUNDS)
def test_report(examples: int, tmp_path: Path) -> None:
    """Also the gate, the ratchet and the tables of whatever passes the schema."""
    survive(examples, files_of(hostile.report_document(), as_json), hostile.report(tmp_path))


@pytest.mark.parametrize("examples", ROUNDS)
def test_artifact(examples: int, tmp_path: Path, lowered: Lower) -> None:
    kind = hostile.artifact(tmp_path, lowered("onnx", "w8a8-ptq")[0].folder)
    survive(examples, files_of(json.loads(kind.seeds[0]), as_json), kind)


@pytest.mark.parametrize("examples", ROUNDS)
def test_image(examples: int, tmp_path: Path) -> None:
    """Pictures of many formats and modes with bytes flipped, cut, or made up."""
    kind = hostile.image(tmp_path)

    @st.composite
    def pictures(draw: st.DrawFn) -> bytes:
        raw = bytearray(draw(st.sampled_from(kind.seeds)))
        for _ in range(draw(st.integers(0, 6))):
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        return bytes(raw[: draw(st.integers(0, len(raw)))]) if draw(st.booleans()) else bytes(raw)

    survive(examples, st.one_of(pictures(), st.binary(max_size=100)), kind)


@pytest.mark.parametrize("name", ["configuration", "contract", "profile", "report", "image"])
def test_the_sound_files_are_read(name: str, tmp_path: Path) -> None:
    """Fuzzing that only ever sees refusals would show nothing. Of the pictures, two have more than 8 bits."""
    kind: Kind = getattr(hostile, name)(tmp_path)
    refused = []
    for seed in kind.seeds:
        try:
            kind.read(seed)
        except FerDeployError as error:
            refused.append(str(error))
    assert len(refused) == (2 if name == "image" else 0), refused
    assert all("more than 8 bits per channel" in one for one in refused)
