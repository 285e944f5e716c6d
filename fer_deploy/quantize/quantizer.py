"""The quantizer that all targets share: XNNPACK's, with convolution and ReLU6 fused and exact pixels.

Three things differ from ExecuTorch's XNNPACKQuantizer (executorch 1.5.1):

* It observes a convolution once before and once after a ReLU6 (``_do_annotate_conv`` makes way for
  ``relu`` only). The int8 grid before the clamp is wasted on values the clamp removes. Here the
  output spec moves behind the clamp, and XNNPACK runs both as one kernel.
* Pixels are whole numbers 0..255 and int8 holds 256 of them: scale 1, zero point -128 is exact. An
  observer would only come close. The same holds for the normalised pixels behind the first operation.
* Weight scales may be as small as they need to be; the stock floor of 2**-12 rounds the
  normalisation's weights (about 1/64) to a few bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fer_deploy.errors import QuantizationError
from fer_deploy.quantize.layers import attribute, clamp_operators, layer_name
from fer_deploy.quantize.observers import activation_observer
from fer_deploy.quantize.recipe import QMAX, QMIN, WEIGHT_EPS, WEIGHT_MAX, PtqOptions
from fer_deploy.quiet import quiet

if TYPE_CHECKING:
    import torch

#: What PT2E calls the annotation in ``node.meta`` (torchao ``Q_ANNOTATION_KEY``).
_KEY = "quantization_annotation"


def shared_quantizer(options: PtqOptions | None = None) -> Any:
    """Return a torchao ``Quantizer``: per-channel symmetric int8 weights, per-tensor affine int8 activations.

    Activations are observed as ``options`` say; pixels and normalised pixels have grids that are known beforehand.
    """
    with quiet():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer

    chosen = options or PtqOptions()

    class SharedQuantizer(XNNPACKQuantizer):  # type: ignore[misc]
        #: Without those that look for a BatchNorm: the canonical graph has none, and each is traced anew for seconds.
        SUPPORTED_PATTERNS: ClassVar = [
            pattern for pattern in XNNPACKQuantizer.SUPPORTED_PATTERNS if "_bn" not in pattern.name
        ]

        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            annotated: torch.fx.GraphModule = super().annotate(model)
            if chosen.fused_clamps:
                fuse_clamps(annotated)
            if chosen.own_pool_ranges:
                give_pools_ranges(annotated, _configuration(chosen).output_activation)
            fix_pixels(annotated)
            leave_in_float(annotated, chosen.float_layers)
            return annotated

    return SharedQuantizer().set_global(_configuration(chosen))


def _configuration(options: PtqOptions) -> Any:
    import torch
    from torchao.quantization.pt2e import PerChannelMinMaxObserver
    from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec

    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=QMIN,
        quant_max=QMAX,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=activation_observer(options),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-WEIGHT_MAX,
        quant_max=WEIGHT_MAX,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=WEIGHT_EPS),
    )
    return QuantizationConfig(activation, activation, weight, None, False)


def leave_in_float(model: torch.fx.GraphModule, layers: tuple[str, ...]) -> None:
    """Remove the annotation of the named layers and of the clamps behind them.

    Raises:
        QuantizationError: no quantizable layer has such a name.
    """
    named = {layer_name(node): node for node in model.graph.nodes if _KEY in node.meta}
    for name in layers:
        if name not in named:
            raise QuantizationError(
                f"no quantizable layer is called '{name}'; `fer-deploy sensitivity` lists their names"
            )
        node = named[name]
        spec = node.meta.pop(_KEY).output_qspec
        _own_ranges(node, spec)
        for user in node.users:
            if user.target in clamp_operators():
                clamp = user.meta.pop(_KEY, None)
                _own_ranges(user, clamp.output_qspec if clamp is not None else spec)


def _own_ranges(node: torch.fx.Node, spec: Any) -> None:
    """Give consumers that shared a node's range (pools do) one of their own, now that the node has none."""
    from torchao.quantization.pt2e.quantizer import SharedQuantizationSpec

    def shares(candidate: Any) -> bool:
        return isinstance(candidate, SharedQuantizationSpec) and candidate.edge_or_node is node

    for consumer in node.users:
        annotation = consumer.meta.get(_KEY)
        if annotation is None:
            continue
        if shares(annotation.input_qspec_map.get(node)):
            annotation.input_qspec_map[node] = spec
        if shares(annotation.output_qspec):
            annotation.output_qspec = SharedQuantizationSpec((node, consumer))


def fuse_clamps(model: torch.fx.GraphModule) -> int:
    """Move each operation's output spec behind the clamp that alone consumes it; return how many moved."""
    import torch
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec

    clamps = clamp_operators()
    relus = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)
    moved = 0
    for node in model.graph.nodes:
        if node.target not in clamps or not isinstance(node.args[0], torch.fx.Node):
            continue
        producer = node.args[0]
        if producer.target in clamps:
            continue  # engines fuse one clamp into what is before it, not two
        annotation = producer.meta.get(_KEY)
        # A pool's output spec is its input's and stays: the grid before the clamp exists already.
        if annotation is None or not isinstance(annotation.output_qspec, QuantizationSpec):
            continue
        if len(producer.users) != 1:
            continue
        if producer.target == torch.ops.aten.linear.default and node.target not in relus:
            continue  # XNNPACK's partitioner leaves a linear layer out whose clamp is no ReLU (executorch 1.5.1)
        node.meta[_KEY] = QuantizationAnnotation(
            input_qspec_map={}, output_qspec=annotation.output_qspec, _annotated=True
        )
        annotation.output_qspec = None
        moved += 1
    return moved


def give_pools_ranges(model: torch.fx.GraphModule, spec: Any) -> int:
    """Observe global poolings by themselves, as ``spec`` says, and not by the map before; return how many.

    A mean varies less than what it is taken of: where a few channels are large and constant, the map's grid is too
    coarse for it.
    """
    import torch
    from torchao.quantization.pt2e.quantizer import SharedQuantizationSpec

    changed = 0
    for node in model.graph.nodes:
        annotation = node.meta.get(_KEY)
        if node.target != torch.ops.aten.adaptive_avg_pool2d.default or annotation is None:
            continue
        if isinstance(annotation.output_qspec, SharedQuantizationSpec):
            annotation.output_qspec = spec
            changed += 1
    return changed


def fix_pixels(model: torch.fx.GraphModule) -> None:
    """Replace the observers of the pixels, and of what the first operation makes of them, by exact grids.

    With channels of different mean or std the normalised grid spans all of them, and is no longer
    exact but never clips. A BatchNorm of the user's own behind it is folded into it, and is in its weights.
    """
    import torch
    from torchao.quantization.pt2e.quantizer import FixedQParamsQuantizationSpec

    def fixed(low: float, high: float) -> FixedQParamsQuantizationSpec:
        scale = (high - low) / (QMAX - QMIN)
        return FixedQParamsQuantizationSpec(
            dtype=torch.int8,
            scale=scale,
            zero_point=round(QMIN - low / scale),
            quant_min=QMIN,
            quant_max=QMAX,
            qscheme=torch.per_tensor_affine,
        )

    pixels = next(node for node in model.graph.nodes if node.op == "placeholder")
    for user in pixels.users:
        annotation = user.meta.get(_KEY)
        if annotation is None or pixels not in annotation.input_qspec_map:
            continue
        annotation.input_qspec_map[pixels] = fixed(0.0, 255.0)
        if annotation.output_qspec is not None:
            ends = _normalised_ends(model, user)
            if ends is None:
                continue
            normalised = fixed(*ends)
            annotation.output_qspec = normalised
            # A consumer whose input spec differs from its producer's output spec would requantize.
            for consumer in user.users:
                consumed = consumer.meta.get(_KEY)
                if consumed is not None and user in consumed.input_qspec_map:
                    consumed.input_qspec_map[user] = normalised


def _normalised_ends(model: torch.fx.GraphModule, node: torch.fx.Node) -> tuple[float, float] | None:
    """Return the least and largest value that a 1 x 1 depthwise convolution makes of pixels; None for any other."""
    import torch

    if node.target != torch.ops.aten.conv2d.default:
        return None
    stored: Any = node.args[1:3]
    weight = attribute(model, str(stored[0].target)).detach().double()
    if weight.shape[1:] != (1, 1, 1):
        return None
    offset = torch.zeros(len(weight), dtype=torch.float64)
    if len(stored) > 1 and stored[1] is not None:
        offset = attribute(model, str(stored[1].target)).detach().double()
    other = offset + 255.0 * weight.flatten()
    return float(torch.minimum(offset, other).min()), float(torch.maximum(offset, other).max())
