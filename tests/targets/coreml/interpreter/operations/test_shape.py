"""Reductions and operations that move values, against numpy on random shapes and attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from fixtures.mil_programs import check, few, mb

Array = NDArray[Any]
REDUCTIONS: dict[str, Callable[..., Array]] = {
    "reduce_mean": np.mean,
    "reduce_sum": np.sum,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum_square": lambda x, axis, keepdims: np.sum(x**2, axis=axis, keepdims=keepdims),
    "reduce_l1_norm": lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims),
    "reduce_l2_norm": lambda x, axis, keepdims: np.sqrt(np.sum(x**2, axis=axis, keepdims=keepdims)),
    "reduce_log_sum": lambda x, axis, keepdims: np.log(np.sum(x, axis=axis, keepdims=keepdims)),
    "reduce_log_sum_exp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
}
TESTED = {
    *REDUCTIONS,
    *("reduce_argmax", "reduce_argmin", "cumsum", "topk", "argsort"),
    *("shape", "reshape", "reshape_like", "expand_dims", "squeeze", "transpose", "flatten2d"),
    *("concat", "stack", "split", "tile", "reverse", "sliding_windows", "band_part"),
    *("pixel_shuffle", "pixel_unshuffle", "depth_to_space", "space_to_depth"),
    *("slice_by_index", "slice_by_size", "crop", "gather", "gather_along_axis", "pad"),
    *("scatter", "scatter_along_axis"),
    *("fill", "fill_like", "range_1d", "one_hot"),
    *("resize_bilinear", "resize_nearest_neighbor", "resize"),
    *("upsample_bilinear", "upsample_nearest_neighbor"),
}
SHAPES = st.tuples(st.just(1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@few
@given(shape=SHAPES, axes=st.sets(st.integers(-3, -1), min_size=1), keep=st.booleans())
def test_reductions(shape: tuple[int, ...], axes: set[int], keep: bool) -> None:
    chosen = sorted(axes)

    def build(x: Any) -> list[Any]:
        return [getattr(mb, kind)(x=x, axes=chosen, keep_dims=keep) for kind in REDUCTIONS]

    def reference(x: Array) -> list[Array]:
        x = x.astype(np.float64)
        return [function(x, axis=tuple(chosen), keepdims=keep) for function in REDUCTIONS.values()]

    check(build, reference, shape, ranges=((0.2, 2),))


@few
@given(shape=SHAPES, axis=st.integers(1, 3), keep=st.booleans(), seed=st.integers(0, 99))
def test_arguments_and_order(shape: tuple[int, ...], axis: int, keep: bool, seed: int) -> None:
    def build(x: Any) -> list[Any]:
        values, indices = mb.topk(x=x, k=1, axis=axis)
        return [
            mb.reduce_argmax(x=x, axis=axis, keep_dims=keep),
            mb.reduce_argmin(x=x, axis=axis, keep_dims=keep),
            mb.argsort(x=x, axis=axis, ascending=True),
            mb.argsort(x=x, axis=axis),
            values,
            indices,
            mb.topk(x=x, k=shape[axis], axis=axis, ascending=True)[0],
            mb.cumsum(x=x, axis=axis),
            mb.cumsum(x=x, axis=axis, exclusive=True, reverse=True),
        ]

    def reference(x: Array) -> list[Array]:
        ahead = np.flip(np.cumsum(np.flip(x, axis), axis), axis)
        return [
            np.argmax(x, axis, keepdims=keep),
            np.argmin(x, axis, keepdims=keep),
            np.argsort(x, axis),
            np.argsort(-x, axis),
            np.max(x, axis, keepdims=True),
            np.argmax(x, axis, keepdims=True),
            np.sort(x, axis),
            np.cumsum(x, axis),
            ahead - x,
        ]

    check(build, reference, shape, seed=seed)


@few
@given(shape=SHAPES, perm=st.permutations([1, 2, 3]), data=st.data())
def test_reshaping(shape: tuple[int, ...], perm: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(1, 3))
    order = [0, *perm]
    _, c, h, w = shape

    def build(x: Any) -> list[Any]:
        flat = mb.reshape(x=x, shape=[0, c * h, w, 1])
        return [
            flat,
            mb.reshape(x=x, shape=[1, -1]),
            mb.reshape_like(x=flat, ref_tensors=(x, x), begins=[0, 2], ends=[2, 0], end_masks=[False, True]),
            mb.expand_dims(x=x, axes=[axis]),
            mb.squeeze(x=flat, axes=[3]),
            mb.transpose(x=x, perm=order),
            mb.flatten2d(x=x, axis=axis),
            mb.cast(x=mb.shape(x=x), dtype="fp32"),
            mb.reverse(x=x, axes=[axis]),
            mb.tile(x=x, reps=[1, 2, 1, 3]),
            mb.concat(values=(x, flat_to(x, shape)), axis=axis),
            mb.concat(values=(x, x), axis=axis, interleave=True),
            mb.stack(values=(x, x), axis=axis),
            *mb.split(x=mb.concat(values=(x, x), axis=axis), num_splits=2, axis=axis),
            *mb.split(x=mb.concat(values=(x, x, x), axis=1), split_sizes=[c, 2 * c], axis=1),
        ]

    def reference(x: Array) -> list[Array]:
        rows = int(np.prod(shape[:axis]))
        return [
            x.reshape(1, c * h, w, 1),
            x.reshape(1, -1),
            x,
            np.expand_dims(x, axis),
            x.reshape(1, c * h, w),
            x.transpose(order),
            x.reshape(rows, -1),
            np.array(shape),
            np.flip(x, axis),
            np.tile(x, (1, 2, 1, 3)),
            np.concatenate([x, x], axis),
            np.repeat(x, 2, axis),
            np.stack([x, x], axis),
            x,
            x,
            x,
            np.concatenate([x, x], 1),
        ]

    check(build, reference, shape, tolerance=0)


def flat_to(x: Any, shape: tuple[int, ...]) -> Any:
    return mb.reshape(x=mb.reshape(x=x, shape=[1, -1]), shape=list(shape))


@few
@given(block=st.integers(2, 3), height=st.integers(1, 3), width=st.integers(1, 3), depth=st.integers(1, 2))
def test_blocks_of_pixels(block: int, height: int, width: int, depth: int) -> None:
    deep = (1, depth * block * block, height, width)
    wide = (1, depth, height * block, width * block)

    def to_space(x: Array) -> Array:
        blocks = x.reshape(1, block, block, depth, height, width)
        return blocks.transpose(0, 3, 4, 1, 5, 2).reshape(wide)

    def to_depth(x: Array) -> Array:
        blocks = x.reshape(1, depth, height, block, width, block)
        return blocks.transpose(0, 3, 5, 1, 2, 4).reshape(deep)

    check(
        lambda x, y: [
            mb.pixel_shuffle(x=x, upscale_factor=block),
            mb.pixel_unshuffle(x=y, downscale_factor=np.uint32(block)),
            mb.depth_to_space(x=x, block_size=block),
            mb.space_to_depth(x=y, block_size=block),
        ],
        lambda x, y: [
            functional.pixel_shuffle(torch.from_numpy(x), block).numpy(),
            functional.pixel_unshuffle(torch.from_numpy(y), block).numpy(),
            to_space(x),
            to_depth(y),
        ],
        deep,
        wide,
        tolerance=0,
    )


@st.composite
def slices(draw_from: st.DrawFn) -> tuple[int, int, int]:
    step = draw_from(st.sampled_from([1, 2, 3, -1, -2]))
    first, last = draw_from(st.integers(0, 2)), draw_from(st.integers(3, 6))
    return (first, last, step) if step > 0 else (last - 1, max(first - 1, 0), step)


@few
@given(bounds=st.tuples(slices(), slices()), negative=st.booleans(), seed=st.integers(0, 99))
def test_slices(bounds: tuple[tuple[int, int, int], ...], negative: bool, seed: int) -> None:
    (b1, e1, s1), (b2, e2, s2) = bounds
    shift = 6 if negative else 0

    def build(x: Any) -> list[Any]:
        return [
            mb.slice_by_index(
                x=x,
                begin=[0, b1 - shift, b2],
                end=[1, e1, e2 - shift if e2 < 6 else e2],
                stride=[1, s1, s2],
            ),
            mb.slice_by_index(
                x=x,
                begin=[0, 3, 1],
                end=[0, 5, 0],
                begin_mask=[True, True, False],
                end_mask=[True, False, True],
            ),
            mb.slice_by_index(x=x, begin=[0, 2, 0], end=[1, 0, 6], squeeze_mask=[False, True, False]),
            mb.slice_by_size(x=x, begin=[0, b1 % 4, 1], size=[1, 2, -1]),
            mb.crop(x=mb.expand_dims(x=x, axes=[1]), crop_height=[1, 2], crop_width=[0, 3]),
            mb.sliding_windows(x=x, axis=1, size=3, stride=2),
            mb.band_part(x=x, lower=1, upper=2),
            mb.band_part(x=x, lower=-1, upper=0),
        ]

    def reference(x: Array) -> list[Array]:
        return [
            x[:, b1:e1:s1, b2:e2:s2],
            x[:, :5, 1:],
            x[:, 2, :],
            x[:, b1 % 4 : b1 % 4 + 2, 1:],
            x[:, None, 1:-2, :-3],
            np.stack([x[:, i : i + 3] for i in (0, 2)], 1),
            np.triu(np.tril(x, 2), -1),
            np.tril(x),
        ]

    check(build, reference, (1, 6, 6), seed=seed, tolerance=0)


@few
@given(axis=st.integers(1, 2), indices=st.lists(st.integers(-3, 2), min_size=1, max_size=4))
def test_gathers_and_tensors_from_numbers(axis: int, indices: list[int]) -> None:
    chosen = np.array(indices, np.int32)
    along = np.random.default_rng(0).integers(0, 3, (1, 3, 3)).astype(np.int32)

    def build(x: Any) -> list[Any]:
        best = mb.reduce_argmax(x=x, axis=-1)
        zeros = mb.fill(shape=mb.shape(x=x), value=np.float32(2))
        return [
            mb.gather(x=x, indices=chosen, axis=axis),
            mb.gather(x=x, indices=chosen.reshape(1, -1), axis=axis),
            mb.gather_along_axis(x=x, indices=along, axis=axis),
            mb.add(x=x, y=zeros),
            mb.add(x=x, y=mb.fill_like(ref_tensor=x, value=np.float32(0.5))),
            mb.one_hot(indices=best, one_hot_vector_size=3, on_value=np.float32(5), off_value=np.float32(1)),
            mb.add(x=x, y=mb.range_1d(start=np.float32(0), end=np.float32(3), step=np.float32(1))),
        ]

    def reference(x: Array) -> list[Array]:
        return [
            np.take(x, indices, axis),
            np.take(x, chosen.reshape(1, -1), axis),
            np.take_along_axis(x, along, axis),
            x + 2,
            x + 0.5,
            np.where(np.arange(3) == x.argmax(-1)[..., None], 5, 1),
            x + np.arange(3),
        ]

    check(build, reference, (1, 3, 3), tolerance=1e-6)


@few
@given(
    axis=st.sampled_from([-2, -1, 1, 2]),
    indices=st.lists(st.integers(-4, 3), min_size=1, max_size=4, unique_by=lambda i: i % 4),
)
def test_scatters(axis: int, indices: list[int]) -> None:
    chosen = np.array(indices, np.int32)
    along = chosen.reshape((1, -1, 1) if axis % 3 == 1 else (1, 1, -1))
    positions = np.broadcast_to(along, (1, len(chosen), 4) if axis % 3 == 1 else (1, 4, len(chosen)))
    where = tuple(chosen if d == axis % 3 else slice(None) for d in range(3))

    def build(x: Any, y: Any) -> list[Any]:
        part = mb.gather(x=y, indices=np.arange(len(chosen), dtype=np.int32), axis=axis)
        return [
            getattr(mb, kind)(data=x, indices=index, updates=part, axis=axis, mode=mode)
            for kind, index in (("scatter", chosen), ("scatter_along_axis", positions.copy()))
            for mode in ("update", "add")
        ]

    def reference(x: Array, y: Array) -> list[Array]:
        part = np.take(y, range(len(chosen)), axis)
        written, added = x.copy(), x.copy()
        written[where] = part
        added[where] += part
        return [written, added, written, added]

    check(build, reference, (1, 4, 4), (1, 4, 4), tolerance=1e-6)


@few
@given(pads=st.lists(st.integers(0, 2), min_size=4, max_size=4), value=st.floats(-2, 2, width=16))
def test_padding(pads: list[int], value: float) -> None:
    widths = [(0, 0), (0, 0), (pads[0], pads[1]), (pads[2], pads[3])]
    check(
        lambda x: [
            mb.pad(x=x, pad=pads, mode="constant", constant_val=np.float32(value)),
            mb.pad(x=x, pad=pads, mode="reflect"),
            mb.pad(x=x, pad=pads, mode="replicate"),
        ],
        lambda x: [
            np.pad(x, widths, constant_values=np.float32(value)),
            np.pad(x, widths, mode="reflect"),
            np.pad(x, widths, mode="edge"),
        ],
        (1, 2, 3, 4),
        tolerance=0,
    )


def _grid(size: int, wanted: int, mode: str) -> Array:
    """The sampling positions of MIL's reference (iOS 15 resize_bilinear, notes), written out again."""
    i = np.arange(wanted)
    spacing = {
        "STRICT_ALIGN_CORNERS": (size - 1) / max(wanted - 1, 1),
        "DEFAULT": (size - size / wanted) / max(wanted - 1, 1),
        "UNALIGN_CORNERS": size / wanted,
        "OFFSET_CORNERS": max(1, size - 1) / wanted,
    }[mode]
    offset = {"UNALIGN_CORNERS": 0.5 * spacing - 0.5, "OFFSET_CORNERS": 0.5 * spacing}.get(mode, 0)
    return np.clip(i * spacing + offset, 0, size - 1)


def _interpolated(x: Array, size: tuple[int, int], mode: str) -> Array:
    for axis, wanted in ((2, size[0]), (3, size[1])):
        positions = _grid(x.shape[axis], wanted, mode)
        lines = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
        taken = np.stack([np.interp(positions, np.arange(x.shape[axis]), line) for line in lines])
        moved = np.moveaxis(x, axis, -1).shape[:-1]
        x = np.moveaxis(taken.reshape(*moved, wanted), -1, axis)
    return x


@few
@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_bilinear_resizing(height: int, width: int) -> None:
    modes = ("STRICT_ALIGN_CORNERS", "DEFAULT", "UNALIGN_CORNERS", "OFFSET_CORNERS")
    size = {"target_size_height": height, "target_size_width": width}
    check(
        lambda x: [
            *(mb.resize_bilinear(x=x, sampling_mode=mode, **size) for mode in modes),
            mb.resize(x=x, shape=[height, width], resized_dims=np.uint32(2), sampling_mode="UNALIGN_CORNERS"),
        ],
        lambda x: [
            *(_interpolated(x, (height, width), mode) for mode in modes),
            _interpolated(x, (height, width), "UNALIGN_CORNERS"),
        ],
        (1, 2, 4, 5),
    )


@few
@given(factors=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_upsampling_is_torch_s(factors: tuple[int, int]) -> None:
    scale = {"scale_factor_height": factors[0], "scale_factor_width": factors[1]}
    size = (4 * factors[0], 5 * factors[1])

    def interpolate(x: Array, **how: Any) -> Array:
        return functional.interpolate(torch.from_numpy(x), size, **how).numpy()

    check(
        lambda x: [
            mb.upsample_bilinear(x=x, align_corners=True, **scale),
            mb.upsample_bilinear(x=x, align_corners=False, **scale),
            mb.upsample_nearest_neighbor(x=x, **scale),
            mb.resize_nearest_neighbor(x=x, target_size_height=size[0], target_size_width=size[1]),
            mb.resize(
                x=x,
                shape=list(size),
                resized_dims=np.uint32(2),
                interpolation_mode="NEAREST_NEIGHBOR",
                sampling_mode="DEFAULT",
            ),
        ],
        lambda x: [
            interpolate(x, mode="bilinear", align_corners=True),
            interpolate(x, mode="bilinear", align_corners=False),
            *[interpolate(x, mode="nearest")] * 3,
        ],
        (1, 2, 4, 5),
    )
