from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fer_deploy.targets.onnx.passes import (
    integers_to_uint8,
    one_grid_a_constant,
    strip_metadata,
    weights_to_int8,
)


def _model(zero_point: int, scale: float, dtype: type = np.int8) -> onnx.ModelProto:
    """x -> QDQ -> x (quantized weight) -> QDQ -> y, all three with the same zero point tensor."""
    weights = np.arange(-4, 4, dtype=np.int8).reshape(2, 4)
    initializers = [
        numpy_helper.from_array(np.array(scale, dtype=np.float32), "scale"),
        numpy_helper.from_array(np.array(zero_point, dtype=dtype), "zero"),
        numpy_helper.from_array(weights, "weight"),
        numpy_helper.from_array(np.array(0, dtype=np.int8), "weight_zero"),
        numpy_helper.from_array(np.zeros(3, dtype=np.float32), "unused"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["weight", "scale", "weight_zero"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "scale", "zero"], ["mq"]),
        helper.make_node("DequantizeLinear", ["mq", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 4])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    result: np.ndarray = session.run(None, {"x": x})[0]
    return result


@settings(max_examples=25)
@given(zero_point=st.integers(-128, 127), scale=st.floats(2**-10, 8, width=32), seed=st.integers(0, 2**31))
def test_shift_to_uint8_is_exact(zero_point: int, scale: float, seed: int) -> None:
    model = _model(zero_point, scale)
    x = (np.random.default_rng(seed).normal(size=(3, 2)) * scale * 100).astype(np.float32)
    expected = _run(model, x)
    assert integers_to_uint8(model.graph) == 5
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(_run(model, x), expected)


def test_weights_are_shifted_too_and_unused_constants_go() -> None:
    model = _model(5, 0.1)
    weight = numpy_helper.to_array(next(i for i in model.graph.initializer if i.name == "weight"))
    integers_to_uint8(model.graph)
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    assert {name: value.dtype for name, value in values.items()} == {
        "scale": np.float32,
        "weight_uint8": np.uint8,
        "weight_zero_uint8": np.uint8,
        "zero_uint8": np.uint8,
    }
    assert values["zero_uint8"] == 133
    assert values["weight_zero_uint8"] == 128
    assert np.array_equal(values["weight_uint8"], weight.astype(np.int16) + 128)


def test_uint8_is_left_as_it_is() -> None:
    model = _model(133, 0.1, np.uint8)
    assert integers_to_uint8(model.graph) == 1, "its weight"
    assert integers_to_uint8(model.graph) == 0


def test_weights_become_signed_and_answer_the_same() -> None:
    model = _model(5, 0.1)
    weight = numpy_helper.to_array(next(i for i in model.graph.initializer if i.name == "weight"))
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    integers_to_uint8(model.graph)
    expected = _run(model, x)
    assert weights_to_int8(model.graph) == 1
    assert weights_to_int8(model.graph) == 0
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(_run(model, x), expected)
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    assert {name: value.dtype for name, value in values.items()} == {
        "scale": np.float32,
        "wd_weight_int8": np.int8,
        "wd_zero_int8": np.int8,
        "zero_uint8": np.uint8,
    }
    assert values["wd_zero_int8"] == 0
    assert np.array_equal(values["wd_weight_int8"], weight)


def test_what_another_operation_reads_stays_unsigned() -> None:
    model = _model(5, 0.1)
    model.graph.node.append(helper.make_node("Add", ["wd", "wd"], ["twice"]))
    model.graph.output.append(helper.make_tensor_value_info("twice", TensorProto.FLOAT, [2, 4]))
    integers_to_uint8(model.graph)
    assert weights_to_int8(model.graph) == 0


@pytest.mark.parametrize("place", ["model", "graph", "node", "value"])
def test_strip_metadata(place: str) -> None:
    model = _model(5, 0.1)
    item = {
        "model": model,
        "graph": model.graph,
        "node": model.graph.node[0],
        "value": model.graph.input[0],
    }[place]
    item.doc_string = "/home/someone/net.py"
    entry = item.metadata_props.add()
    entry.key, entry.value = "trace", "/home/someone/net.py"
    x = np.ones((3, 2), dtype=np.float32)
    expected = _run(model, x)
    strip_metadata(model)
    assert b"someone" not in model.SerializeToString()
    assert np.array_equal(_run(model, x), expected)


def test_a_weight_that_two_operations_read_is_shifted_once() -> None:
    model = _model(5, 0.1)
    model.graph.node.append(helper.make_node("DequantizeLinear", ["weight", "scale", "weight_zero"], ["wd2"]))
    model.graph.node.append(helper.make_node("MatMul", ["xd", "wd2"], ["again"]))
    model.graph.output.append(helper.make_tensor_value_info("again", TensorProto.FLOAT, [3, 4]))
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    expected = _run(model, x)
    assert integers_to_uint8(model.graph) == 6
    onnx.checker.check_model(model, full_check=True)
    assert [item.name for item in model.graph.initializer].count("weight_uint8") == 1
    assert np.array_equal(_run(model, x), expected)


def _shared(scales: list[float]) -> onnx.ModelProto:
    """x times one integer constant, dequantized once on each of several grids."""
    initializers = [
        numpy_helper.from_array(np.array([[1, -2], [3, 4]], dtype=np.int8), "weight"),
        numpy_helper.from_array(np.array(0, dtype=np.int8), "zero"),
        *(
            numpy_helper.from_array(np.array(scale, dtype=np.float32), f"scale{index}")
            for index, scale in enumerate(sorted(set(scales)))
        ),
    ]
    nodes, last = [], "x"
    for index, scale in enumerate(scales):
        named = f"scale{sorted(set(scales)).index(scale)}"
        nodes.append(helper.make_node("DequantizeLinear", ["weight", named, "zero"], [f"w{index}"]))
        nodes.append(helper.make_node("MatMul", [last, f"w{index}"], [last := f"y{index}"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 2])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [3, 2])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@settings(max_examples=20, deadline=None)
@given(scales=st.lists(st.sampled_from([0.5, 0.25, 2.0]), min_size=1, max_size=5))
def test_a_constant_has_one_grid_and_the_function_stays(scales: list[float]) -> None:
    model = _shared(scales)
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    expected = _run(model, x)
    assert one_grid_a_constant(model.graph) == len(set(scales)) - 1
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(_run(model, x), expected)
    grids: dict[str, set[tuple[str, ...]]] = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            grids.setdefault(node.input[0], set()).add(tuple(node.input[1:]))
    assert all(len(found) == 1 for found in grids.values())
    assert one_grid_a_constant(model.graph) == 0
