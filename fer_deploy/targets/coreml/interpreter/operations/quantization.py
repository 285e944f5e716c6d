"""Quantized values: activations while a program runs, and weights that are stored small and expanded when it is loaded.

iOS 16 and iOS 18 have operations of the same names with different parameters for weights; both are here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, along_axis, ints, operation, tensor

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@operation("quantize")
def quantize(
    input: Tensor,
    scale: Operand,
    output_dtype: str,
    zero_point: Operand = 0,
    axis: int = 0,
) -> Tensor:
    """Return round(input / scale) + zero_point, half to even, clipped to the type's range."""
    low, high = _RANGES[output_dtype]
    # In place: each further tensor of a batch goes through memory. (clamp_ would loop over the images.)
    steps = (input / along_axis(scale, axis, input.ndim)).round_()
    return steps.add_(along_axis(zero_point, axis, input.ndim)).clamp(low, high)


@operation("dequantize")
def dequantize(
    input: Tensor,
    scale: Operand,
    zero_point: Operand = 0,
    axis: int = 0,
) -> Tensor:
    """Return scale x (input - zero_point)."""
    shift = along_axis(zero_point, axis, input.ndim)
    shifted = input - shift if input.is_floating_point() else input.float().sub_(shift)
    return shifted.mul_(along_axis(scale, axis, input.ndim))


@operation("constexpr_affine_dequantize")
def affine_dequantize(quantized_data: Tensor, zero_point: Operand, scale: Operand, axis: int) -> Tensor:
    """Return scale x (data - zero_point), scale and zero point per tensor or along ``axis``."""
    shifted = quantized_data.float() - along_axis(zero_point, axis, quantized_data.ndim)
    return shifted * along_axis(scale, axis, quantized_data.ndim)


@operation("constexpr_cast")
def cast(source_val: Operand, output_dtype: str) -> Tensor:  # noqa: ARG001 - fp32 is the only one
    """Return fp16 values as fp32."""
    return tensor(source_val).float()


@operation("constexpr_lut_to_dense")
def lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Ints | None = None, vector_axis: int | None = None
) -> Tensor:
    """Look weights up in palettes.

    With ``shape`` (iOS 16): indices are bits packed into bytes, one palette. Without (iOS 18): ``lut`` is
    (one palette count per dimension of indices, palette size, vector size).
    """
    if shape is not None:
        wanted = ints(shape)
        bits = int(lut.numel()).bit_length() - 1
        return lut[_unpacked(indices, bits, _volume(wanted))].reshape(wanted)
    return _look_up(indices.long(), lut, vector_axis)


def _look_up(indices: Tensor, lut: Tensor, vector_axis: int | None) -> Tensor:
    palettes, (size, length) = lut.shape[: indices.ndim], lut.shape[-2:]
    which = torch.zeros_like(indices)
    for axis, count in enumerate(palettes):
        position = torch.arange(indices.shape[axis]) // (indices.shape[axis] // count)
        which = which * count + along_axis(position, axis, indices.ndim)
    values = lut.reshape(-1, size, length)[which, indices]
    if length == 1:
        return values.squeeze(-1)
    assert vector_axis is not None
    axis = int(vector_axis) % indices.ndim
    return values.movedim(-1, axis + 1).flatten(axis, axis + 1)


def _unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """Return ``count`` unsigned integers of ``bits`` each from bytes, least significant bit first."""
    flags = (packed.long().reshape(-1, 1) >> torch.arange(8)) & 1
    return (flags.reshape(-1)[: count * bits].reshape(count, bits) << torch.arange(bits)).sum(1)


def _volume(shape: list[int]) -> int:
    volume = 1
    for size in shape:
        volume *= size
    return volume


@operation("constexpr_sparse_to_dense")
def sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Ints | None = None) -> Tensor:
    """Put values where the mask is set, zero elsewhere.

    With ``shape`` (iOS 16) the mask is bits packed into bytes, without (iOS 18) it has the result's shape.
    """
    flags = mask if shape is None else _unpacked(mask, 1, _volume(ints(shape))).reshape(ints(shape))
    dense = torch.zeros(flags.shape, dtype=nonzero_data.dtype)
    dense[flags != 0] = nonzero_data
    return dense


@operation("constexpr_blockwise_shift_scale")
def blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """Return scale x (data - offset), both given per block of ``data``."""
    shifted = data.float()
    if offset is not None:
        shifted = shifted - _per_element(tensor(offset).float(), data)
    return shifted * _per_element(tensor(scale), data)


def _per_element(blocks: Tensor, data: Tensor) -> Tensor:
    for axis in range(blocks.ndim):
        blocks = blocks.repeat_interleave(data.shape[axis] // blocks.shape[axis], axis)
    return blocks


@operation("constexpr_lut_to_sparse")
def lut_to_sparse(
    indices_mask: Tensor, indices_nonzero_data: Tensor, lut: Tensor, vector_axis: int | None = None
) -> tuple[Tensor, Tensor]:
    """Look non-zero weights up in palettes; return their mask and values."""
    dense = _look_up(sparse_to_dense(indices_nonzero_data, indices_mask).long(), lut, vector_axis)
    length = lut.shape[-1]
    mask = indices_mask
    if length > 1:
        assert vector_axis is not None
        mask = mask.repeat_interleave(length, int(vector_axis))
    return mask, dense[mask != 0]


@operation("constexpr_sparse_blockwise_shift_scale")
def sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scale non-zero weights per block; return their mask and values."""
    dense = blockwise_shift_scale(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]
