"""``[architecture]``: which network of the zoo, in a model.toml, a training recipe or a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fer_deploy.frozen import Frozen

if TYPE_CHECKING:
    from torch import nn


class Architecture(Frozen):
    """A zoo name and what :func:`fer_deploy.zoo.build` changes of its table."""

    name: str
    width: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on channel counts")
    depth: float = Field(default=1.0, ge=0.1, le=4.0, description="multiplier on the repeats of every stage")
    expansion: int | None = Field(default=None, ge=1, le=8, description="of every bottleneck that expands")
    activation: Literal["relu6", "relu"] = "relu6"
    stem_stride: Literal[1, 2] | None = Field(default=None, description="of the first convolution")

    @property
    def label(self) -> str:
        """The name and what differs from its table, e.g. ``fer_s``, ``mobilenet_v2 x0.5``."""
        parts = [self.name]
        parts += [f"x{self.width:g}"] if self.width != 1 else []
        parts += [f"depth {self.depth:g}"] if self.depth != 1 else []
        parts += [f"expansion {self.expansion}"] if self.expansion is not None else []
        parts += [self.activation] if self.activation != "relu6" else []
        parts += [f"stem stride {self.stem_stride}"] if self.stem_stride is not None else []
        return " ".join(parts)

    def build(self, num_classes: int, channels: int) -> nn.Module:
        """Return the network with freshly drawn weights.

        Raises:
            ModelError: see :func:`fer_deploy.zoo.build`.
        """
        from fer_deploy.zoo import build

        options = self.model_dump(exclude={"name"})
        return build(self.name, num_classes, channels, **options)
