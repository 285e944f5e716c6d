"""Poolings written in the one form that all targets lower well, and quantize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.rewrite.editing import call, clean, replace, shape_of

if TYPE_CHECKING:
    import torch


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
        if _over_map(node):
            _replace_by_pool(
                module, node, call(module, node, aten.adaptive_avg_pool2d.default, (node.args[0], [1, 1]))
            )
            changed += 1
    clean(module)
    return changed


def _over_map(node: torch.fx.Node) -> bool:
    """Return whether a reduction is over height and width of a map, and over nothing else."""
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    shape = shape_of(node.args[0])
    return shape is not None and len(shape) == 4 and sorted(axis % 4 for axis in axes or ()) == [2, 3]


def _replace_by_pool(module: torch.fx.GraphModule, node: torch.fx.Node, pool: torch.fx.Node) -> None:
    """Let a global pool stand for a reduction, its axes dropped where the reduction drops them."""
    import torch

    keeps = (len(node.args) > 2 and node.args[2] is True) or node.kwargs.get("keepdim") is True
    flat = torch.ops.aten.flatten.using_ints
    replace(node, pool if keeps else call(module, node, flat, (pool, 1)))


def explicit_pooling(module: torch.fx.GraphModule) -> int:
    """Write poolings with their stride, and without ``ceil_mode`` where it changes nothing; return how many.

    coremltools wants the stride of a max pool, which torch leaves out where it is the kernel's, and takes no
    ``divisor_override``, which torch's ONNX exporter leaves out of what it writes (coremltools 9.0, torch 2.13).
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
        changed += _without_divisor(module, node)
    clean(module)
    return changed


def _without_divisor(module: torch.fx.GraphModule, node: torch.fx.Node) -> int:
    """Write ``divisor_override`` as a mean over the window, padding and all, and a product; return 1 where it was."""
    import torch

    aten = torch.ops.aten
    if node.target != aten.avg_pool2d.default or len(node.args) < 7 or node.args[6] is None:
        return 0
    source, kernel, stride, padding, ceil, _, divisor = node.args
    if ceil:  # a window over the edge would be another size
        return 0
    sides: Any = kernel
    window = sides[0] * sides[-1] if len(sides) == 2 else sides[0] ** 2
    mean = call(module, node, aten.avg_pool2d.default, (source, kernel, stride, padding, False, True))
    scale: Any = divisor
    replace(node, call(module, node, aten.mul.Tensor, (mean, window / scale)))
    return 1


def maximum_to_pool(module: torch.fx.GraphModule) -> int:
    """Write the largest value of a map, and adaptive max pooling, as max pools; return how many.

    ExecuTorch and the ONNX exporter take an adaptive pool to few sizes only, or none (executorch 1.5.1, torch 2.13).
    A max pool is delegated, and gives int8 the grid of what it takes. A maximum along other axes whose place nobody
    asks for is written without it: XNNPACK's partitioner takes the one with it along any axis, its lowering two only.
    """
    import torch

    aten = torch.ops.aten
    changed = 0
    module.graph.eliminate_dead_code()  # places that nobody asks for are taken out of the pair all the same
    for node in list(module.graph.nodes):
        changed += _without_places(module, node)
    for node in list(module.graph.nodes):
        if node.target == aten.amax.default:
            changed += _global_maximum(module, node)
        elif node.target == aten.adaptive_max_pool2d.default:
            changed += _adaptive_maximum(module, node)
    clean(module)
    return changed


def _without_places(module: torch.fx.GraphModule, node: torch.fx.Node) -> int:
    import operator

    import torch

    aten = torch.ops.aten
    plain = {aten.max.dim: aten.amax.default, aten.min.dim: aten.amin.default}
    if node.target not in plain:
        return 0
    readers = list(node.users)
    if any(user.target != operator.getitem or user.args[1] != 0 for user in readers):
        return 0
    source, axis, *keeps = node.args
    kept = keeps[0] if keeps else node.kwargs.get("keepdim", False)
    values = call(module, node, plain[node.target], (source, [axis], kept))
    for user in readers:
        replace(user, values)
    return 1


def _global_maximum(module: torch.fx.GraphModule, node: torch.fx.Node) -> int:
    import torch

    aten = torch.ops.aten
    source: Any = node.args[0]
    shape = _map_shape(source)
    if shape is None or not _over_map(node):
        return 0
    pool = call(module, node, aten.max_pool2d.default, (source, list(shape), list(shape)))
    _replace_by_pool(module, node, pool)
    return 1


def _adaptive_maximum(module: torch.fx.GraphModule, node: torch.fx.Node) -> int:
    """Pool each axis by itself: a strip for each place where strips differ, else one pool with a stride."""
    import operator

    import torch

    aten = torch.ops.aten
    source: Any = node.args[0]
    shape = _map_shape(source)
    readers = list(node.users)
    if shape is None or any(user.target != operator.getitem or user.args[1] != 0 for user in readers):
        return 0  # the places of the maxima are read too
    wanted: Any = node.args[1]
    sizes = [size if size is not None else side for size, side in zip(wanted, shape, strict=True)]
    if all(side % size == 0 for side, size in zip(shape, sizes, strict=True)):
        window = [side // size for side, size in zip(shape, sizes, strict=True)]
        pooled = call(module, node, aten.max_pool2d.default, (source, window, window))
    else:
        pooled = source
        for axis, (side, size) in enumerate(zip(shape, sizes, strict=True)):
            strips = []
            for place in range(size):
                # torch's AdaptiveMaxPool: from floor(place * side / size) to ceil((place + 1) * side / size)
                start, stop = place * side // size, -(-(place + 1) * side // size)
                strip = call(module, node, aten.slice.Tensor, (pooled, axis + 2, start, stop))
                window = [stop - start if other == axis else 1 for other in (0, 1)]
                strips.append(call(module, node, aten.max_pool2d.default, (strip, window, window)))
            pooled = call(module, node, aten.cat.default, (strips, axis + 2))
    for user in readers:
        replace(user, pooled)
    return 1


def _map_shape(node: Any) -> tuple[int, int] | None:
    """Return height and width of a map whose sides are known, or None."""
    shape = shape_of(node)
    if shape is None or len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]):
        return None
    return shape[2], shape[3]
