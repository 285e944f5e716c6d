"""An int8 graph by torchao alone, to say what int8 can cost at best: nothing of fer-deploy's quantization is used.

BatchNorm is folded where that is safe (the convolution's weight and output have no other user); elsewhere it
becomes a depthwise 1 x 1 convolution.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_ATEN = torch.ops.aten
_BATCH = 64


class _Normalised(nn.Module):
    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, pixels: Tensor) -> Any:
        return self.network((pixels - self.mean) / self.std)


def quantized_logits(
    network: nn.Module, calibration: NDArray[np.float32], test: NDArray[np.float32], eps: float = 2.0**-24
) -> NDArray[np.float32] | None:
    """Return an int8 graph's logits of ``test``, or None where torchao cannot make one.

    Args:
        network: float, in evaluation mode, over normalised faces.
        calibration: normalised faces that set the ranges, float32 (N, C, H, W).
        test: normalised faces.
        eps: the smallest scale.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = _converted(network, torch.from_numpy(calibration), eps)
            with torch.no_grad():
                logits: NDArray[np.float32] = graph(torch.from_numpy(test)).numpy()
    except Exception:  # torchao raises many kinds; without a reference a fixed floor holds
        return None
    return logits if np.isfinite(logits).all() else None


def _converted(network: nn.Module, calibration: Tensor, eps: float) -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from torchao.quantization.pt2e import HistogramObserver, PerChannelMinMaxObserver
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec

    dynamic = ({0: torch.export.Dim("batch", min=1, max=4096)},)
    program = torch.export.export(copy.deepcopy(network), (calibration[:2],), dynamic_shapes=dynamic)
    graph: Any = program.module()
    without_norms(graph)
    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=HistogramObserver.with_args(eps=eps),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=eps),
    )

    class Quantizer(XNNPACKQuantizer):  # type: ignore[misc]
        # There is no BatchNorm left, and to trace its patterns takes seconds.
        SUPPORTED_PATTERNS = [  # noqa: RUF012  XNNPACKQuantizer declares it so
            item for item in XNNPACKQuantizer.SUPPORTED_PATTERNS if "_bn" not in item.name
        ]

    quantizer = Quantizer().set_global(QuantizationConfig(activation, activation, weight, None, False))
    prepared = prepare_pt2e(graph, quantizer)
    with torch.no_grad():
        for start in range(0, len(calibration), _BATCH):
            prepared(calibration[start : start + _BATCH])
    return convert_pt2e(prepared)


def without_norms(graph: Any) -> None:
    """Replace every BatchNorm over a map of an exported graph, in place; its function stays the same."""
    for node in list(graph.graph.nodes):
        if node.target != _ATEN.batch_norm.default or node.meta["val"].ndim != 4:
            continue
        scale, shift = _affine(graph, node)
        source = node.args[0]
        with graph.graph.inserting_before(node):
            if _foldable(source):
                weight = _value(graph, source.args[1]) * scale.view(-1, 1, 1, 1)
                bias = source.args[2] if len(source.args) > 2 else None
                shift = shift + (scale * _value(graph, bias) if bias is not None else 0)
                arguments = [
                    source.args[0],
                    _constant(graph, weight),
                    _constant(graph, shift),
                    *source.args[3:],
                ]
                new = graph.graph.call_function(_ATEN.conv2d.default, tuple(arguments))
            else:
                weight = _constant(graph, scale.view(-1, 1, 1, 1))
                arguments = [source, weight, _constant(graph, shift), [1, 1], [0, 0], [1, 1], len(scale)]
                new = graph.graph.call_function(_ATEN.conv2d.default, tuple(arguments))
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _foldable(source: Any) -> bool:
    if source.target != _ATEN.conv2d.default or len(source.users) != 1:
        return False
    held = [item for item in source.args[1:3] if item is not None]
    return all(item.op == "get_attr" and len(item.users) == 1 for item in held)


def _affine(graph: Any, node: Any) -> tuple[Tensor, Tensor]:
    weight, bias, mean, variance = (None if item is None else _value(graph, item) for item in node.args[1:5])
    assert mean is not None
    assert variance is not None
    scale = (variance + node.args[7]).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return scale, shift


def _value(graph: Any, node: Any) -> Tensor:
    value = graph
    for part in node.target.split("."):
        value = getattr(value, part)
    return value.detach()  # type: ignore[no-any-return]


def _constant(graph: Any, value: Tensor) -> Any:
    name = f"_constant_{sum(1 for _ in graph.named_buffers())}"
    graph.register_buffer(name, value)
    node = graph.graph.get_attr(name)
    node.meta["val"] = value  # the quantizer reads the shape of weights
    return node
