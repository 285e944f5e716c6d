"""Operations written in the one form that all targets lower well, and quantize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.rewrite.editing import call, clean, constant, module_path, replace, shape_of

if TYPE_CHECKING:
    import torch


def drop_no_ops(module: torch.fx.GraphModule) -> int:
    """Remove dropout that is off, and copies that change nothing; return how many."""
    import torch

    aten = torch.ops.aten
    dropouts = {aten.dropout.default, aten.feature_dropout.default, aten.alpha_dropout.default}
    copies = {aten.alias.default, aten.detach.default, aten.lift_fresh_copy.default, aten.clone.default}
    removed = 0
    for node in list(module.graph.nodes):
        off = node.target in dropouts and node.args[2] is False
        if off or node.target in copies:
            # Not take_over: the source keeps its own name, and the copy's value is the same.
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
            removed += 1
    clean(module)
    return removed


def plain_arithmetic(module: torch.fx.GraphModule) -> int:
    """Write numbers in arithmetic in the one way that all targets take; return how many places changed.

    ``x / 6`` becomes a product, which int8 represents exactly, and ``add(x, y, alpha=0.17)`` a product and a sum.
    Squares and differences stay: in float, which is what their int8 would lose most in.
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not _is_float(node):
            continue
        new = None
        alpha = node.kwargs.get("alpha", 1)
        args: Any = node.args
        if node.target in (aten.div.Tensor, aten.div.Scalar) and _number(args[1]) and args[1] != 0:
            new = call(module, node, aten.mul.Tensor, (args[0], 1.0 / args[1]))
        elif node.target in (aten.add.Tensor, aten.sub.Tensor) and alpha != 1:
            if _number(args[1]):
                scaled: Any = float(args[1]) * alpha
            else:
                scaled = call(module, node, aten.mul.Tensor, (args[1], float(alpha)))
            new = call(module, node, node.target, (args[0], scaled))
        elif node.target in (aten.add.Scalar, aten.mul.Scalar) and len(args) == 2 and not node.kwargs:
            tensor = aten.add.Tensor if node.target == aten.add.Scalar else aten.mul.Tensor
            new = call(module, node, tensor, (args[0], args[1]))
        if new is not None:
            replace(node, new)
            changed += 1
    changed += _numbers_as_tensors(module)
    clean(module)
    return changed


def _numbers_as_tensors(module: torch.fx.GraphModule) -> int:
    """Give float sums and products their numbers as constants of their type; return how many.

    ExecuTorch's lowering makes a tensor of another type of a number, and a cast that XNNPACK does not take.
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in (aten.add.Tensor, aten.mul.Tensor) or not _is_float(node):
            continue
        value = node.args[1]
        if _number(value):
            tensor = torch.tensor(float(value), dtype=node.meta["val"].dtype)
            node.update_arg(1, constant(module, node, f"{module_path(node)}.{node.name}_number", tensor))
            changed += 1
    return changed


def plain_activations(module: torch.fx.GraphModule) -> int:
    """Write activations that some target lacks in those that all have; return how many.

    RReLU is off: a leaky ReLU. coremltools has neither LogSigmoid nor CELU, and fails on the numbers of hardtanh and
    ELU where they are left out or whole (9.0). ExecuTorch writes Softplus, and Mish with it, in operations that fail
    between int8 layers, and XNNPACK's partitioner takes a clamp behind an int8 convolution as hardtanh only, which has
    both ends (1.5.1): the one that is missing is the largest number there is.
    """
    import torch

    aten = torch.ops.aten
    endless = torch.finfo(torch.float32).max
    clamps = (aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default, aten.hardtanh.default)
    changed = 0
    for node in list(module.graph.nodes):
        args: Any = node.args
        if node.op != "call_function" or not _is_float(node):
            continue
        new = None
        if node.target == aten.rrelu.default:
            low, high = (*args[1:3], *(1 / 8, 1 / 3)[len(args) - 1 :])[:2]
            new = call(module, node, aten.leaky_relu.default, (args[0], (low + high) / 2))
        elif node.target == aten.log_sigmoid.default:
            other = call(module, node, aten.neg.default, (args[0],))
            new = call(module, node, aten.neg.default, (_softplus(module, node, other, 1.0),))
        elif node.target == aten.softplus.default:
            new = _softplus(module, node, args[0], float(args[1]) if len(args) > 1 else 1.0)
        elif node.target == aten.mish.default:
            curve = call(module, node, aten.tanh.default, (_softplus(module, node, args[0], 1.0),))
            new = call(module, node, aten.mul.Tensor, (args[0], curve))
        elif node.target == aten.celu.default:
            alpha = float(args[1]) if len(args) > 1 else 1.0
            inner = args[0] if alpha == 1.0 else call(module, node, aten.mul.Tensor, (args[0], 1.0 / alpha))
            new = call(module, node, aten.elu.default, (inner, 1.0))
            if alpha != 1.0:
                new = call(module, node, aten.mul.Tensor, (new, alpha))
        elif node.target == aten.elu.default and len(args) == 1:
            new = call(module, node, aten.elu.default, (args[0], 1.0))
        elif node.target in clamps:
            low, high = _ends(node)
            ends = -endless if low is None else float(low), endless if high is None else float(high)
            if node.target != aten.hardtanh.default or (*args[1:],) != ends or _whole(args[1:]):
                new = call(module, node, aten.hardtanh.default, (args[0], *ends))
        if new is not None:
            replace(node, new)
            changed += 1
    clean(module)
    return changed


def _softplus(module: torch.fx.GraphModule, node: torch.fx.Node, source: Any, beta: float) -> torch.fx.Node:
    """Return ``log(1 + exp(beta x)) / beta`` without overflow.

    A difference, which int8 leaves in float: ``relu(y) - log(sigmoid(|y|))``.
    """
    import torch

    aten = torch.ops.aten
    if beta != 1.0:
        source = call(module, node, aten.mul.Tensor, (source, beta))
    above = call(module, node, aten.relu.default, (source,))
    size = call(module, node, aten.abs.default, (source,))
    rest = call(module, node, aten.log.default, (call(module, node, aten.sigmoid.default, (size,)),))
    soft = call(module, node, aten.sub.Tensor, (above, rest))
    return soft if beta == 1.0 else call(module, node, aten.mul.Tensor, (soft, 1.0 / beta))


def _ends(node: torch.fx.Node) -> tuple[Any, Any]:
    """Return the least and the largest value that a clamp lets pass, None where it has no such end."""
    import torch

    aten = torch.ops.aten
    if node.target == aten.clamp_min.default:
        return node.args[1], None
    if node.target == aten.clamp_max.default:
        return None, node.args[1]
    hard = node.target == aten.hardtanh.default
    names = ("min_val", "max_val") if hard else ("min", "max")
    ends: list[Any] = [-1.0, 1.0] if hard else [None, None]
    for place, name in enumerate(names):
        if len(node.args) > place + 1:
            ends[place] = node.args[place + 1]
        elif name in node.kwargs:
            ends[place] = node.kwargs[name]
    return ends[0], ends[1]


def prelu_by_parts(module: torch.fx.GraphModule) -> int:
    """Write PReLU behind anything but a map as ``relu(x) + w (x - relu(x))``; return how many.

    ExecuTorch's partitioner takes it, and a pass behind it fails on anything but four axes (executorch 1.5.1).
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target != aten.prelu.default:
            continue
        source, weight = node.args
        shape = shape_of(source)
        if shape is None or len(shape) == 4 or len(shape) < 2:
            continue
        slope: Any = weight
        if len(shape) > 2 and (shape_of(weight) or (1,))[0] != 1:
            from fer_deploy.quantize.layers import attribute

            if weight.op != "get_attr":
                continue
            value = attribute(module, str(weight.target)).view(-1, *[1] * (len(shape) - 2))
            slope = constant(module, node, f"{module_path(node)}_slope.weight", value)
        above = call(module, node, aten.relu.default, (source,))
        below = call(module, node, aten.sub.Tensor, (source, above))
        sloped = call(module, node, aten.mul.Tensor, (below, slope))
        replace(node, call(module, node, aten.add.Tensor, (above, sloped)))
        changed += 1
    clean(module)
    return changed


def attention_in_four_axes(module: torch.fx.GraphModule) -> int:
    """Give scaled dot-product attention an axis of heads where it has none; return how many.

    The ONNX exporter takes queries, keys and values with four axes only (torch 2.13).
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target != aten.scaled_dot_product_attention.default or len(shape_of(node) or ()) != 3:
            continue
        inputs = [
            call(module, node, aten.unsqueeze.default, (item, -3))
            if isinstance(item, torch.fx.Node) and len(shape_of(item) or ()) == 3
            else item
            for item in node.args
        ]
        new = call(module, node, node.target, tuple(inputs), dict(node.kwargs))
        replace(node, call(module, node, aten.squeeze.dim, (new, -3)))
        changed += 1
    clean(module)
    return changed


def _whole(ends: tuple[Any, ...]) -> bool:
    return any(isinstance(end, int) for end in ends)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_float(node: torch.fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return hasattr(value, "is_floating_point") and bool(value.is_floating_point())
