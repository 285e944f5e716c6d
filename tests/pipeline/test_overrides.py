"""Values over a configuration file, by flag or by keyword."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.errors import ArgumentError, ConfigError
from fer_deploy.pipeline.overrides import optional_config, overridden_config

_FILE = """
[model]
path = "net"
contract = "net.toml"
[export]
targets = ["onnx", "coreml"]
[export.coreml]
ios = 16
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fer-deploy.toml"
    path.write_text(_FILE)
    return path


def test_what_is_given_holds_and_the_rest_stays(file: Path) -> None:
    found = overridden_config(str(file), targets="onnx", recipes=["int8", "float"], threads=2, ios=None)
    assert found.export.targets == ("onnx",)
    assert found.export.recipes == ("w8a8-ptq", "float")
    assert found.profile.timing.threads == 2
    assert found.model.path == str(file.parent / "net")
    assert overridden_config(file).export.targets == ("onnx", "coreml")


def test_another_model_brings_its_own_contract(file: Path) -> None:
    found = overridden_config(file, model=Path("other"))
    assert (found.model.path, found.model.contract) == ("other", None)


def test_a_strange_value_is_named_with_the_nearest(file: Path) -> None:
    with pytest.raises(ArgumentError, match="'recipe' of a configuration; did you mean 'recipes'") as caught:
        overridden_config(file, recipe="float")
    assert isinstance(caught.value, TypeError)


def test_a_file_is_read_where_there_is_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    found = optional_config(None, needed=False)
    assert found is not None
    file.unlink()
    assert optional_config(None, needed=False) is None
    with pytest.raises(ConfigError, match="no --model was given"):
        optional_config(None, needed=True)
