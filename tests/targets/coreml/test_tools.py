"""Core ML's tools: a package is read without the converters, and these come without what they cannot use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fer_deploy.targets.coreml import tools

_READ_THEN_CONVERT = """
import sys
from fer_deploy.targets.coreml.tools import coremltools, messages
mil, model = messages()
assert not [name for name in sys.modules if name.startswith(("coremltools", "torchao", "sklearn"))]
spec = model.Model(specificationVersion=7)
ct = coremltools()
from coremltools.proto import MIL_pb2, Model_pb2
assert Model_pb2.Model is model.Model and MIL_pb2.DataType is not None
assert ct.proto.Model_pb2.Model.FromString(spec.SerializeToString()) == spec
assert messages() == (mil, model)
assert "sklearn" not in sys.modules
assert ct is coremltools()
"""


def test_a_package_is_read_without_the_converters_which_come_whole_later() -> None:
    subprocess.run([sys.executable, "-c", _READ_THEN_CONVERT], check=True, timeout=300)


@pytest.mark.parametrize(
    ("version", "useless"),
    [("1.5.1", False), ("1.5", False), ("1.6.0", True), ("2.0rc1", True), ("0.9", False)],
)
def test_a_newer_scikit_learn_is_of_no_use(
    version: str, useless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    assert tools._useless("scikit-learn", (1, 5)) is useless


def test_one_that_is_not_installed_is_not_looked_for() -> None:
    assert not tools._useless("no-such-distribution", (1, 5))
