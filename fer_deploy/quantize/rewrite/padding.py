"""Paddings written in numbers, crops as slices, and assigned slices as joins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.rewrite.editing import call, clean, replace, shape_of

if TYPE_CHECKING:
    import torch


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
        replace(node, call(module, node, operator, arguments))
        changed += 1
    clean(module)
    return changed


def crops_as_slices(module: torch.fx.GraphModule) -> int:
    """Write padding by a negative width as a slice; return how many.

    ExecuTorch's kernel and coremltools take none below zero (executorch 1.5.1, coremltools 9.0).
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in (aten.constant_pad_nd.default, aten.pad.default):
            continue
        widths: Any = node.args[1]
        given: Any = node.args[0]
        shape = shape_of(given)
        if shape is None or all(width >= 0 for width in widths):
            continue
        sides = [
            (len(shape) - 1 - index, widths[2 * index : 2 * index + 2]) for index in range(len(widths) // 2)
        ]
        cut = given
        for axis, (before, behind) in sides:
            if min(before, behind) < 0:
                stop = shape[axis] + min(behind, 0)
                cut = call(module, node, aten.slice.Tensor, (cut, axis, max(-before, 0), stop))
        rest = [max(width, 0) for width in widths]
        if any(rest):
            cut = call(module, node, node.target, (cut, rest, *node.args[2:]))
        replace(node, cut)
        changed += 1
    clean(module)
    return changed


#: What an end is at least where a slice has none.
_NO_END = 2**31 - 1


def assigned_slices_as_joins(module: torch.fx.GraphModule) -> int:
    """Write ``y[:, 2:5] = x`` and ``y[:, 2] = x`` as what stands before, x, and what stands behind; return how many.

    Core ML has only a scatter for them, which runs on the CPU (coremltools 9.0). Steps other than 1 stay.
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in (aten.slice_scatter.default, aten.select_scatter.default):
            continue
        of_one = node.target == aten.select_scatter.default
        whole, part, axis, first, last, step = _assignment(node, of_one)
        size = (shape_of(whole) or ())[axis]
        everything = first == 0 and last >= _NO_END
        if step != 1 or not (everything or isinstance(size, int)):
            continue
        if of_one:
            part = call(module, node, aten.unsqueeze.default, (part, axis))
        parts = [part]
        if not everything:
            first, last = (min(max(end + size if end < 0 else end, 0), size) for end in (first, last))
            before = [call(module, node, aten.slice.Tensor, (whole, axis, 0, first))] if first > 0 else []
            behind = [call(module, node, aten.slice.Tensor, (whole, axis, last, size))] if last < size else []
            parts = [*before, part, *behind] if first < last else [whole]
        if len(parts) > 1:
            replace(node, call(module, node, aten.cat.default, (parts, axis)))
        else:  # not replace: what is read instead keeps its own name
            node.replace_all_uses_with(parts[0])
            module.graph.erase_node(node)
        changed += 1
    clean(module)
    return changed


def _assignment(node: torch.fx.Node, of_one: bool) -> tuple[Any, Any, int, int, int, int]:
    """Return what is written into, what is written, the axis, its first and last index, and the step."""
    given: dict[str, Any] = {
        **dict(zip(("self", "src", "dim", "start", "end", "step"), node.args, strict=False)),
        **node.kwargs,
    }
    if of_one:
        given["start"] = given.get("start", given.get("index"))
        given["end"] = None if given["start"] == -1 else given["start"] + 1
    rank = len(shape_of(given["self"]) or ())
    first, last = given.get("start"), given.get("end")
    return (
        given["self"],
        given["src"],
        given.get("dim", 0) % rank,
        0 if first is None else first,
        _NO_END if last is None else last,
        given.get("step", 1),
    )
