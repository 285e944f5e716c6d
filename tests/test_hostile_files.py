"""Hostile files: whatever a configuration, profile, contract, artifact, report or image holds, one clear sentence.

A quick round runs always; the thorough one (a thousand of each kind) is marked slow.
"""

from __future__ import annotations

import copy
import io
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from fer_deploy.contract import load_contract
from fer_deploy.data.preprocess import face_pixels, read_image
from fer_deploy.devices.profile_schema import load_profile_file
from fer_deploy.errors import FerDeployError
from fer_deploy.pipeline.config import load_config
from fer_deploy.report.budgets import Budget
from fer_deploy.report.changes import against_reference
from fer_deploy.report.gate import verdicts
from fer_deploy.report.integrity import integrity
from fer_deploy.report.judged import Expected
from fer_deploy.report.schema import load_report
from fer_deploy.report.terminal import print_report
from fer_deploy.targets.artifact import INFO_FILE, open_artifact
from fixtures.lowered import Lower
from fixtures.sample_report import PLAIN_LABELS, sample_report
from fixtures.synthetic import contract_for, input_spec

ROUNDS = [pytest.param(25, id="quick"), pytest.param(1000, id="thorough", marks=pytest.mark.slow)]
_ROOT = Path(__file__).resolve().parents[1]

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


def survive(
    examples: int, source: st.SearchStrategy[bytes | None], reader: Callable[[bytes], object]
) -> None:
    """Let ``reader`` read ``examples`` of the files: it returns, or says in one sentence why not."""

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
            reader(raw)
        except FerDeployError as error:
            refused = error
        assert refused is None or (str(refused).strip() and refused.exit_code == 2)

    attempt()


def files_of(
    document: dict[str, Any], write: Callable[[Any], bytes | None]
) -> st.SearchStrategy[bytes | None]:
    """Mutated documents, documents cut short, and plain bytes."""
    whole = write(document)
    assert whole is not None
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    return st.one_of(mutated(document).map(write), cut, st.binary(max_size=200))


@pytest.mark.parametrize("examples", ROUNDS)
class TestToml:
    def test_configuration(self, examples: int, tmp_path: Path) -> None:
        document = tomllib.loads((_ROOT / "fer-deploy.toml").read_text()) | {
            "budget": {"max_flips": 1.0, "artifacts": {"*": {"max_size_kb": False}}, "accept": ["measured"]},
            "waiver": [{"figure": "size", "until": "2030-01-01", "reason": "why"}],
        }
        path = tmp_path / "fer-deploy.toml"

        def read(raw: bytes) -> None:
            path.write_bytes(raw)
            config = load_config(path, {})
            config.budget.limit("max_flips", "onnx-float", "host")

        survive(examples, files_of(document, as_toml), read)

    def test_contract(self, examples: int, tmp_path: Path) -> None:
        document = {"contract": contract_for(input_spec()).model_dump(mode="json")}
        path = tmp_path / "model.toml"

        def read(raw: bytes) -> None:
            path.write_bytes(raw)
            assert len(load_contract(path).sha256) == 64

        survive(examples, files_of(document, as_toml), read)

    def test_device_profile(self, examples: int, tmp_path: Path) -> None:
        document = tomllib.loads((_ROOT / "profiles" / "pixel-8.toml").read_text())
        path = tmp_path / "pixel-8.toml"

        def read(raw: bytes) -> None:
            path.write_bytes(raw)
            load_profile_file(path)

        survive(examples, files_of(document, as_toml), read)


@pytest.mark.parametrize("examples", ROUNDS)
def test_report(examples: int, tmp_path: Path) -> None:
    """Also the gate, the ratchet and the tables of whatever passes the schema."""
    good = sample_report(PLAIN_LABELS)
    document = json.loads(good.model_copy(update={"artifacts": good.artifacts[:2]}).model_dump_json())
    for artifact in document["artifacts"]:
        artifact["parity"]["flips"] = artifact["parity"]["flips"][:2]
    for device in document["devices"]:
        for row in device["figures"]:
            row["latency_p50"]["samples"] = row["latency_p50"]["samples"][:3]
    path = tmp_path / "report.json"
    budget = Budget(
        min_accuracy=1, max_accuracy_drop=1, max_flips=1, max_ece_shift=1, max_p90_ms=1, max_size_kb=1
    )
    console = Console(file=io.StringIO(), width=100)

    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        report = load_report(path)
        assert integrity(report, path, None)
        assert verdicts(report, budget, Expected(artifacts=("coreml-fp16",)), {})
        against_reference(good, report)
        against_reference(report, good)
        print_report(report, console)

    survive(examples, files_of(document, as_json), read)


@pytest.mark.parametrize("examples", ROUNDS)
def test_artifact(examples: int, tmp_path: Path, lowered: Lower) -> None:
    folder = Path(shutil.copytree(lowered("onnx", "w8a8-ptq")[0].folder, tmp_path / "artifact"))
    path = folder / INFO_FILE
    document = json.loads(path.read_bytes())

    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        artifact = open_artifact(folder)
        assert artifact.file.parent == folder, "no file outside the folder is ever opened"

    survive(examples, files_of(document, as_json), read)


@pytest.mark.parametrize("examples", ROUNDS)
def test_image(examples: int, tmp_path: Path) -> None:
    """Pictures of many formats and modes with bytes flipped, cut, or made up."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    files = []
    for kind, modes in {
        "PNG": ("RGB", "RGBA", "P", "1", "I;16", "LA"),
        "JPEG": ("RGB", "L", "CMYK"),
        "BMP": ("RGB",),
        "GIF": ("P",),
        "WEBP": ("RGB",),
        "TIFF": ("RGB", "F"),
    }.items():
        for mode in modes:
            stream = io.BytesIO()
            picture = (
                Image.fromarray(noise[..., 0]).convert("I;16")
                if mode == "I;16"
                else Image.fromarray(noise).convert(mode)
            )
            picture.save(stream, kind)
            files.append(stream.getvalue())

    @st.composite
    def pictures(draw: st.DrawFn) -> bytes:
        raw = bytearray(draw(st.sampled_from(files)))
        for _ in range(draw(st.integers(0, 6))):
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        return bytes(raw[: draw(st.integers(0, len(raw)))]) if draw(st.booleans()) else bytes(raw)

    path, spec = tmp_path / "face", input_spec(color="rgb")

    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        pixels = face_pixels(read_image(path), spec)
        assert pixels.shape == (3, spec.height, spec.width)
        assert pixels.dtype == np.uint8

    survive(examples, st.one_of(pictures(), st.binary(max_size=100)), read)
