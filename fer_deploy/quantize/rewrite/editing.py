"""What rewrites share: new constants and new operations in an exported graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import LAYER_KEY, VALUE_KEY

if TYPE_CHECKING:
    import torch


def constant(
    module: torch.fx.GraphModule, before: torch.fx.Node, path: str, value: torch.Tensor
) -> torch.fx.Node:
    """Return a new node, in front of ``before``, for a parameter stored at ``path`` or at the next free path like it.

    Weights are parameters, so that training finds them; what is no weight is one too, and is trained with them.
    """
    import torch

    path = _free(module, path)
    prefix, _, name = path.rpartition(".")
    owner: torch.nn.Module = module
    for part in prefix.split(".") if prefix else ():
        if not hasattr(owner, part):
            owner.add_module(part, torch.nn.Module())
        owner = getattr(owner, part)
    value = value.detach().contiguous().clone()
    if value.is_floating_point():
        owner.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))
    else:
        owner.register_buffer(name, value)
    with module.graph.inserting_before(before):
        node = module.graph.create_node("get_attr", path)
    node.meta["val"] = _fake_mode(module).from_tensor(value, static_shapes=True)
    return node


def _free(module: torch.nn.Module, path: str) -> str:
    """Return ``path``, or the first of ``OWNER_call2.NAME``, ``OWNER_call3.NAME`` that is not taken."""
    owner, _, name = path.rpartition(".")
    taken, count = path, 1
    while _exists(module, taken):
        count += 1
        taken = f"{owner}_call{count}.{name}" if owner else f"{name}_call{count}"
    return taken


def _exists(module: Any, path: str) -> bool:
    for part in path.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def call(
    module: torch.fx.GraphModule,
    like: torch.fx.Node,
    target: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
) -> torch.fx.Node:
    """Return a new operation in front of ``like``, which it helps to replace; it gives no value of the network yet."""
    import torch

    with module.graph.inserting_before(like):
        node = module.graph.create_node("call_function", target, args, kwargs or {})
    node.meta = {
        key: value for key, value in like.meta.items() if key not in ("val", VALUE_KEY, "tensor_meta")
    }
    node.meta[LAYER_KEY] = like.meta.get(LAYER_KEY, like.name)

    def value(item: Any) -> Any:
        return item.meta["val"] if isinstance(item, torch.fx.Node) else item

    with _fake_mode(module):
        mapped = torch.fx.node.map_aggregate(args, value), torch.fx.node.map_aggregate(kwargs or {}, value)
        node.meta["val"] = target(*mapped[0], **mapped[1])
    return node


def replace(old: torch.fx.Node, new: torch.fx.Node) -> None:
    """Let ``new`` stand for ``old`` everywhere, and remove ``old``."""
    from fer_deploy.quantize.layers import take_over

    take_over(new, old)
    old.replace_all_uses_with(new)
    old.graph.erase_node(old)


def shape_of(node: Any) -> tuple[Any, ...] | None:
    """Return the shape of a node's value; entries may be symbolic. None where it is no tensor."""
    value = node.meta.get("val") if hasattr(node, "meta") else None
    return None if value is None or not hasattr(value, "shape") else tuple(value.shape)


def module_path(node: torch.fx.Node) -> str:
    """Return the path of the module that ran an operation, or the node's name at top level."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack and stack[-1][0] else node.name


def clean(module: torch.fx.GraphModule) -> None:
    """Drop operations that nothing uses, and compile the graph again."""
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()


def _fake_mode(module: torch.fx.GraphModule) -> Any:
    for node in module.graph.nodes:
        mode = getattr(node.meta.get("val"), "fake_mode", None)
        if mode is not None:
            return mode
    raise AssertionError("an exported graph has a placeholder with a fake value")
