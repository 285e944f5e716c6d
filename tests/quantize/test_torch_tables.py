"""Tables that torch makes anew on every export: made once, and again when operators were registered meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each in a process of its own: what one imports, no other can take back.
_LATER = """
from fer_deploy.quantize.torch_tables import remember
from torch.onnx._internal.exporter import _registration

original = _registration.ONNXRegistry.__dict__["from_torchlib"].__func__
remember()
names = "quantized_decomposed::dequantize_per_channel", "quantized_decomposed::quantize_per_tensor"
before = _registration.ONNXRegistry.from_torchlib(18)
import torchao.quantization.pt2e  # registers the operators of quantized graphs
after = _registration.ONNXRegistry.from_torchlib(18)
wanted = original(_registration.ONNXRegistry, 18)
assert set(after.functions) == set(wanted.functions), set(wanted.functions) ^ set(after.functions)
assert all(len(after.functions[name]) == len(wanted.functions[name]) for name in wanted.functions)
assert any(str(name) in names for name in after.functions), "the quantized operators have translations"
assert set(before.functions) < set(after.functions), "and had none before"
"""
_ADDED = """
from fer_deploy.quantize.torch_tables import remember
from torch.onnx._internal.exporter import _registration

remember()
first = _registration.ONNXRegistry.from_torchlib(18)
size = len(first.functions)
first.functions.clear()
second = _registration.ONNXRegistry.from_torchlib(18)
assert len(second.functions) == size, "what one caller changes, another does not see"
assert _registration.ONNXRegistry.from_torchlib(17).opset_version == 17
"""
_COMPOSITE = """
import torch
import torch._export.utils as home
from fer_deploy.quantize.torch_tables import remember

remember()
home._collect_all_valid_cia_ops()
library = torch.library.Library("fer_deploy_test", "DEF")
library.define("twice(Tensor x) -> Tensor")
library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
found = home._collect_all_valid_cia_ops()
assert torch.ops.fer_deploy_test.twice.default in found
"""


@pytest.mark.parametrize("code", [_LATER, _ADDED, _COMPOSITE], ids=["later", "added", "composite"])
def test_a_table_is_what_torch_would_have_made(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
