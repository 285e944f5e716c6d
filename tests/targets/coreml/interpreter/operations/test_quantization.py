"""Quantize, dequantize and compressed weights, against numpy and coremltools' own decompression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError
from fer_deploy.targets.coreml.interpreter import operations as operations
from fer_deploy.targets.coreml.interpreter.package import decode
from fer_deploy.targets.coreml.interpreter.table import OPERATIONS
from fixtures.mil_programs import check, draw, few, mb

Array = NDArray[Any]
TESTED = {
    *("quantize", "dequantize", "constexpr_affine_dequantize", "constexpr_cast"),
    *("constexpr_lut_to_dense", "constexpr_sparse_to_dense", "constexpr_blockwise_shift_scale"),
    *("constexpr_lut_to_sparse", "constexpr_sparse_blockwise_shift_scale"),
}


def test_every_operation_of_the_table_is_tested() -> None:
    """The test modules name what they test; a new operation without a test fails here."""
    import importlib.util
    from pathlib import Path

    tested = set(TESTED)
    for name in ("test_elementwise", "test_products", "test_shape"):
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tested |= module.TESTED
    assert tested == set(OPERATIONS)


@few
@given(scale=st.floats(0.01, 0.1), zero=st.integers(-20, 20), seed=st.integers(0, 99))
def test_quantize_and_dequantize(scale: float, zero: int, seed: int) -> None:
    """Per tensor in both types, and per channel."""
    step, scales = np.float32(scale), np.linspace(0.02, 0.05, 3).astype(np.float32)
    zeros = np.array([zero, 0, -zero], np.int8)

    def build(x: Any) -> list[Any]:
        signed = mb.quantize(input=x, scale=step, zero_point=np.int8(zero), output_dtype="int8")
        unsigned = mb.quantize(input=x, scale=step, output_dtype="uint8")
        channels = mb.quantize(input=x, scale=scales, zero_point=zeros, output_dtype="int8", axis=1)
        return [
            mb.dequantize(input=signed, scale=step, zero_point=np.int8(zero)),
            mb.dequantize(input=unsigned, scale=step),
            mb.dequantize(input=channels, scale=scales, zero_point=zeros, axis=1),
            mb.cast(x=signed, dtype="fp32"),
        ]

    def reference(x: Array) -> list[Array]:
        signed = np.clip(np.round(x / step) + zero, -128, 127)
        unsigned = np.clip(np.round(x / step), 0, 255)
        c, z = scales.reshape(-1, 1), zeros.astype(np.float32).reshape(-1, 1)
        channels = np.clip(np.round(x / c) + z, -128, 127)
        return [(signed - zero) * step, unsigned * step, (channels - z) * c, signed]

    check(build, reference, (1, 3, 4), seed=seed, tolerance=1e-6)


@few
@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)), seed=st.integers(0, 99))
def test_ios16_compressed_weights(shape: tuple[int, ...], seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = generator.integers(-128, 128, shape).astype(np.int8)
    scale = generator.uniform(0.1, 1, shape[0]).astype(np.float32)
    zero = generator.integers(-5, 5, shape[0]).astype(np.int8)
    half = draw(shape, seed).astype(np.float16)
    bits = int(generator.choice([1, 2, 4, 6, 8]))
    lut = draw((2**bits,), seed + 1)
    keys = generator.integers(0, 2**bits, shape)
    flags = ((keys.reshape(-1, 1) >> np.arange(bits)) & 1).astype(np.uint8).reshape(-1)
    mask = generator.integers(0, 2, shape).astype(np.uint8)
    values = draw((int(mask.sum()),), seed + 2)

    def build(x: Any) -> list[Any]:
        constants = [
            mb.constexpr_affine_dequantize(quantized_data=data, scale=scale, zero_point=zero, axis=0),
            mb.constexpr_cast(source_val=half, output_dtype="fp32"),
            mb.constexpr_lut_to_dense(
                indices=np.packbits(flags, bitorder="little"), lut=lut, shape=np.array(shape, np.uint32)
            ),
            mb.constexpr_sparse_to_dense(
                nonzero_data=values,
                mask=np.packbits(mask.reshape(-1), bitorder="little"),
                shape=np.array(shape, np.uint32),
            ),
        ]
        return [mb.add(x=x, y=constant) for constant in constants]

    def reference(x: Array) -> list[Array]:
        sparse = np.zeros(shape, np.float32)
        sparse[mask != 0] = values

        def per(v: Array) -> Array:
            return v.astype(np.float32).reshape(-1, 1, 1)

        return [x + (data - per(zero)) * per(scale), x + half, x + lut[keys], x + sparse]

    if mask.sum() == 0:
        mask.reshape(-1)[0], values = 1, draw((1,), seed + 2)
    check(build, reference, (1, *shape), ios=16)


@few
@given(blocks=st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2)]), seed=st.integers(0, 99))
def test_ios18_compressed_weights(blocks: tuple[int, int], seed: int) -> None:
    """Blockwise scales, int4, and palettes of scalars, against the formulas of MIL's reference."""
    generator = np.random.default_rng(seed)
    shape = (4, 6)
    data = generator.integers(-128, 128, shape).astype(np.int8)
    grid = (shape[0] // blocks[0] if blocks[0] > 1 else 1, shape[1] // blocks[1] if blocks[1] > 1 else 1)
    scale = generator.uniform(0.1, 1, grid).astype(np.float32)
    offset = generator.integers(-5, 5, grid).astype(np.int8)
    mask = generator.integers(0, 2, shape)
    mask[0, 0] = 1
    from coremltools.converters.mil.mil import types

    uint1 = types.nptype_from_builtin(types.string_to_builtin("uint1"))
    uint2 = types.nptype_from_builtin(types.string_to_builtin("uint2"))
    int4 = types.nptype_from_builtin(types.string_to_builtin("int4"))
    nibbles = generator.integers(-8, 8, shape)
    keys = generator.integers(0, 4, shape)
    palettes = draw((2, 1, 4, 1), seed)
    vectors = draw((1, 1, 4, 2), seed + 1)
    nonzero = generator.integers(-128, 128, int(mask.sum())).astype(np.int8)
    few_keys = generator.integers(0, 4, int(mask.sum()))
    ones = np.full((1, 1), 0.5, np.float32)

    def build(x: Any) -> list[Any]:
        flags, values = mb.constexpr_sparse_blockwise_shift_scale(
            data_mask=mask.astype(uint1), nonzero_data=nonzero, scale=ones
        )
        lut_flags, lut_values = mb.constexpr_lut_to_sparse(
            indices_mask=mask.astype(uint1),
            indices_nonzero_data=few_keys.astype(uint2),
            lut=palettes,
        )
        constants = [
            mb.constexpr_blockwise_shift_scale(data=data, scale=scale, offset=offset),
            mb.constexpr_blockwise_shift_scale(data=nibbles.astype(int4), scale=ones),
            mb.constexpr_lut_to_dense(indices=keys.astype(uint2), lut=palettes),
            mb.constexpr_sparse_to_dense(nonzero_data=values, mask=flags),
            mb.constexpr_sparse_to_dense(nonzero_data=lut_values, mask=lut_flags),
        ]
        wide = mb.constexpr_lut_to_dense(indices=keys.astype(uint2), lut=vectors, vector_axis=0)
        return [
            *(mb.add(x=x, y=constant) for constant in constants),
            mb.matmul(x=x, y=wide, transpose_y=True),
        ]

    def reference(x: Array) -> list[Array]:

        def each(v: Array) -> Array:
            return np.kron(v, np.ones((shape[0] // v.shape[0], shape[1] // v.shape[1])))

        group = np.arange(4)[:, None] // 2
        looked_up = palettes[group, 0, keys, 0]
        scattered = np.zeros(shape)
        scattered[mask != 0] = nonzero * 0.5
        full = np.zeros(shape, int)
        full[mask != 0] = few_keys
        sparse = np.where(mask != 0, palettes[group, 0, full, 0], 0)
        wide = vectors[0, 0, keys].transpose(0, 2, 1).reshape(8, 6)
        dense = [(data - each(offset)) * each(scale), nibbles * 0.5, looked_up, scattered, sparse]
        return [*(x + constant for constant in dense), x @ wide.T]

    check(build, reference, (1, 4, 6), ios=18)


@few
@given(values=st.lists(st.integers(0, 255), min_size=1, max_size=9), bits=st.sampled_from([1, 2, 3, 4, 6]))
def test_packed_integers_are_unpacked_low_bits_first(values: list[int], bits: int) -> None:
    small = [value % (1 << bits) for value in values]
    flags = np.array([(value >> bit) & 1 for value in small for bit in range(bits)], np.uint8)
    raw = np.packbits(flags, bitorder="little").tobytes()
    assert decode(raw, f"UINT{bits}", (len(small),)).tolist() == small
    with pytest.raises(ArtifactError, match="bytes"):
        decode(raw[: len(raw) - 1], f"UINT{bits}", (len(small),))


def test_int4_is_signed() -> None:
    assert decode(bytes([0x8F]), "INT4", (2,)).tolist() == [-1, -8]
