"""Constants: computed once, and one for each user that will change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import attribute, weighted_operators
from fer_deploy.quantize.rewrite.editing import clean, constant, module_path, replace

if TYPE_CHECKING:
    import torch

#: Larger results stay computed at run time: an expanded constant would fill the artifact.
_MOST_ELEMENTS = 2**18


def fold_constants(module: torch.fx.GraphModule) -> int:
    """Compute what depends on no input: weight norm, transposed keys, position tables; return how many.

    A convolution's weight is called after its layer again, where a parametrization had hidden it.
    """
    import torch

    values: dict[torch.fx.Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            values[node] = attribute(module, str(node.target))
        elif node.op == "call_function" and _computable(node, values):
            args, kwargs = torch.fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n])
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
    folded = 0
    for node, value in list(values.items()):
        used = any(user not in values or user.op == "output" for user in node.users)
        if node.op == "get_attr" or not used or not isinstance(value, torch.Tensor):
            continue
        if value.numel() > _MOST_ELEMENTS:
            continue
        replace(node, constant(module, node, _path(node), value))
        folded += 1
    clean(module)
    return folded


def _computable(node: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> bool:
    import torch

    if not all(item in values for item in node.all_input_nodes):
        return False
    tags = getattr(node.target, "tags", ())
    if torch.Tag.nondeterministic_seeded in tags or "sym_size" in str(node.target):
        return False
    mutates = getattr(node.target, "_schema", None)
    return mutates is None or not mutates.is_mutable


def _path(node: torch.fx.Node) -> str:
    users = list(node.users)
    for user in users:
        if user.target in weighted_operators() and len(user.args) > 1 and user.args[1] is node:
            return f"{module_path(user)}.weight"
    return f"{module_path(node)}.{node.name}_folded"


def unshare_weights(module: torch.fx.GraphModule) -> int:
    """Give every convolution and linear layer a weight and a bias of its own; return how many were copied.

    A weight that two layers share has one quantization range and its bias one grid, while the layers' inputs have two:
    an int8 bias would be rounded to the grid of either. Folding BatchNorm into it would change both.
    """
    import torch

    taken: set[int] = set()
    copied = 0
    for node in list(module.graph.nodes):
        if node.op != "call_function" or node.target not in foldable_operators():
            continue
        for position in (1, 2):
            source: Any = node.args[position] if len(node.args) > position else None
            if not isinstance(source, torch.fx.Node) or source.op != "get_attr":
                continue
            tensor = attribute(module, str(source.target))
            alone = tensor.data_ptr() not in taken and len(source.users) == 1 and _only(module, source)
            if not alone:
                path = str(source.target)
                own = constant(module, node, path, tensor)
                node.update_arg(position, own)
                tensor = attribute(module, str(own.target))
                copied += 1
            taken.add(tensor.data_ptr())
    clean(module)
    return copied


def _only(module: torch.fx.GraphModule, source: torch.fx.Node) -> bool:
    """True when no other node reads the attribute of ``source``."""
    return not any(
        node.op == "get_attr" and node is not source and node.target == source.target and node.users
        for node in module.graph.nodes
    )


def foldable_operators() -> set[Any]:
    """Return the aten operators that have a weight as second and a bias as third argument, in any dimension."""
    import torch

    aten = torch.ops.aten
    return weighted_operators() | {
        aten.conv3d.default,
        aten.conv_transpose1d.default,
        aten.conv_transpose3d.input,
        aten.conv1d.padding,
        aten.conv2d.padding,
    }
