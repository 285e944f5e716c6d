"""Tables that torch makes anew on every export: made once, and again when operators were registered meanwhile."""

from __future__ import annotations

import subprocess
import sys

#: In a process of their own: what they import, no other can take back.
_LATER = """
import sys
from fer_deploy.quantize.torch_tables import remember
from torch.onnx._internal.exporter import _registration

assert "torchao" not in sys.modules
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
_SOURCES = """
import torch
from fer_deploy.quantize.torch_tables import remember

class Net(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x + 1).softmax(1)

def histories():
    program = torch.export.export(Net(), (torch.ones(2, 3),)).run_decompositions({})
    program = program.run_decompositions(torch.export.default_decompositions())
    graphs = {}  # their ids differ from run to run
    def told(source):
        graph = graphs.setdefault(source.graph_id, len(graphs))
        before = [told(one) for one in source.from_node]
        return source.name, source.target, source.pass_name, source.action, graph, before
    return [(node.name, [told(one) for one in node.meta.get("from_node", [])]) for node in program.graph.nodes]

wanted = histories()
remember()
assert histories() == wanted
assert any(history and history[0][-1] for _, history in wanted), "there are histories of several passes"
"""


def test_a_table_is_what_torch_would_have_made() -> None:
    """In this order: histories are first taken without fer-deploy's tables, and torchao comes second."""
    code = "".join((_SOURCES, _LATER, _ADDED, _COMPOSITE))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
