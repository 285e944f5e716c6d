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


def mean_to_pool(module: torch.fx.GraphModule) -> int:
    """Write a mean over height and width of a map, the commonest head, as global pooling; return how many.

    XNNPACK delegates the mean with its axes kept only, ONNX Runtime has an integer kernel for the pool only.
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target != aten.mean.dim or node.kwargs.get("dtype") is not None:
            continue
        shape, axes = shape_of(node.args[0]), node.args[1]
        if shape is None or len(shape) != 4 or sorted(axis % 4 for axis in axes or ()) != [2, 3]:
            continue
        keeps = (len(node.args) > 2 and node.args[2] is True) or node.kwargs.get("keepdim") is True
        pool = call(module, node, aten.adaptive_avg_pool2d.default, (node.args[0], [1, 1]))
        replace(node, pool if keeps else call(module, node, aten.flatten.using_ints, (pool, 1)))
        changed += 1
    clean(module)
    return changed


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


def explicit_pooling(module: torch.fx.GraphModule) -> int:
    """Write poolings with their stride, and without ``ceil_mode`` where it changes nothing; return how many.

    coremltools wants the stride of a max pool, which torch leaves out where it is the kernel's (coremltools 9.0).
    """
    import torch

    aten = torch.ops.aten
    # operator to the position of its ceil_mode
    forms = {aten.max_pool2d.default: 5, aten.avg_pool2d.default: 4}
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in forms:
            continue
        position = forms[node.target]
        given: list[Any] = list(node.args)
        if len(given) < 3 or not given[2]:
            given[2:3] = [given[1]]
        if len(given) > position and given[position] is True:
            floored = [*given[:position], False, *given[position + 1 :]]
            shape = call(module, node, node.target, tuple(floored))
            if shape_of(shape) == shape_of(node):
                given = floored
            module.graph.erase_node(shape)
        if tuple(given) != node.args:
            node.args = tuple(given)
            changed += 1
    clean(module)
    return changed


def explicit_padding(module: torch.fx.GraphModule) -> int:
    """Write convolutions with padding "same" or "valid" with numbers; return how many.

    An even kernel's "same" is one wider behind than in front: a padding of its own.
    """
    import torch

    aten = torch.ops.aten
    forms = {aten.conv2d.padding: (aten.conv2d.default, 2), aten.conv1d.padding: (aten.conv1d.default, 1)}
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in forms:
            continue
        operator, rank = forms[node.target]
        defaults: tuple[Any, ...] = (None, None, None, [1] * rank, "valid", [1] * rank, 1)
        given = (*node.args, *defaults[len(node.args) :])
        source, weight, bias, stride, padding, dilation, groups = given
        kernel = (shape_of(weight) or ())[2:]
        totals = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        if any(total % 2 for total in totals):
            widths = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
            source = call(module, node, aten.constant_pad_nd.default, (source, widths, 0.0))
            totals = [0] * rank
        arguments = (source, weight, bias, stride, [total // 2 for total in totals], dilation, groups)
        new = call(module, node, operator, arguments)
        new.meta["fer_deploy_layer"] = node.meta.get("fer_deploy_layer", node.name)
        replace(node, new)
        changed += 1
    clean(module)
    return changed


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_float(node: torch.fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return hasattr(value, "is_floating_point") and bool(value.is_floating_point())
