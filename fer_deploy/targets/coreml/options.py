"""What can be chosen about a Core ML package beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from fer_deploy.errors import ConfigError
from fer_deploy.targets.options import Flag, TargetOptions

#: iOS versions that coremltools 9.0 writes ML Programs for and that are of use.
IOS_VERSIONS = (15, 16, 17, 18)
#: The first iOS version whose operation set holds what a precision needs, and why.
MINIMUM_IOS: dict[str, tuple[int, str]] = {
    "float": (15, "ML Programs"),
    "fp16": (15, "ML Programs"),
    "w8": (16, "constexpr_affine_dequantize, by which weights stay int8 on disk"),
    "w8a8": (17, "quantize and dequantize, by which activations are int8"),
}


@dataclass(frozen=True)
class CoreMLOptions(TargetOptions):
    """How graphs become packages.

    Attributes:
        ios: the oldest iOS version that can load the package, 15 to 18.
        image_input: take an image (CVPixelBuffer) named ``image`` instead of a float array ``pixels``. Its
            pixels reach the graph as they are, and the graph normalises them: ImageType's own scale is one
            number for all channels.
        classifier: answer also ``label`` and ``label_probabilities``, a softmax of ``logits`` in the graph.
        author: for the package's metadata.
        licence: for the package's metadata.
        quantized_compute: what ``w8a8`` computes in between its integers. ``fp32`` repeats the quantized
            graph: what the other targets run. Only ``fp16`` programs can run on the Neural Engine; rounding
            there moves values to a neighbouring step, and where two classes are a step apart, the top one.
    """

    #: So that a misspelt key of a configuration file is refused.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    flags: ClassVar[tuple[Flag, ...]] = (
        Flag("--ios", "Oldest iOS that loads a Core ML package, 15 to 18.  [default: 17]", int),
        Flag("--image-input", "Core ML: take an image, not an array.", bool),
        Flag("--classifier", "Core ML: answer label and probabilities too.", bool),
    )

    ios: int = 17
    image_input: bool = False
    classifier: bool = False
    author: str = ""
    licence: str = ""
    quantized_compute: Literal["fp16", "fp32"] = "fp32"

    def __post_init__(self) -> None:
        if self.ios not in IOS_VERSIONS:
            raise ConfigError(
                f"Core ML deployment target iOS {self.ios} is not one of {', '.join(map(str, IOS_VERSIONS))}"
            )

    def require_ios_for(self, precision: str) -> None:
        """Raise ConfigError when the deployment target lacks an operation that ``precision`` needs."""
        needed, why = MINIMUM_IOS[precision]
        if self.ios < needed:
            raise ConfigError(
                f"Core ML recipe {precision} needs iOS {needed} or later ({why}), the deployment target is "
                f"iOS {self.ios}; raise it or choose another recipe"
            )
