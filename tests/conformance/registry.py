"""The list of networks: how each is made, which pattern it stands for, and where a refusal is the right answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from conformance.blocks import Apply, Around, conv_bn

Make = Callable[[], nn.Module]
Change = Callable[[Any], None]


@dataclass(frozen=True)
class Network:
    """One pattern.

    Attributes:
        name: unique, an identifier.
        kind: heading of the table that it stands under.
        pattern: one line that says what is special about it.
        make: returns it with freshly drawn weights.
        after: changes it once its BatchNorm statistics are there.
        refused: where it is refused: ``"*"``, a target, a recipe or ``"target recipe"``, to a regular expression
            that the refusal matches. Everywhere else it is right.
        or_right: an artifact that is right will do as well as the refusal: torch has one answer for each face.
        quick: "target recipe" of the one artifact that the quick tests hold, the one most likely to be wrong.
        float_floor: the least SQNR of a float artifact, dB.
        below_reference: dB that int8 may lose beside torchao's graph. More where that leaves in float what is quantized
            here: it takes no recurrent layer, which is written out here and whose products are int8.
    """

    name: str
    kind: str
    pattern: str
    make: Make
    after: Change | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    or_right: bool = False
    quick: str | None = None
    float_floor: float = 60.0
    below_reference: float = 3.0

    def refusal(self, target: str, recipe: str) -> str | None:
        """Return what the refusal of an artifact has to say, None where the artifact is to be right."""
        keys = (f"{target} {recipe}", target, recipe, "*")
        return next((self.refused[key] for key in keys if key in self.refused), None)


NETWORKS: dict[str, Network] = {}


@dataclass(frozen=True)
class Group:
    """Adds networks of one kind to the list."""

    kind: str

    def whole(self, name: str, pattern: str, make: Make, **options: Any) -> None:
        """Add what ``make`` returns."""
        assert name.isidentifier(), name
        assert name not in NETWORKS, name
        NETWORKS[name] = Network(name, self.kind, pattern, make, **options)

    def part(self, name: str, pattern: str, make: Make, width: int = 16, **options: Any) -> None:
        """Add a classifier around a part: 16 channels on 12 x 12 maps, not negative, to ``width`` channels."""
        self.whole(name, pattern, lambda: Around(make(), width), **options)

    def layer(self, name: str, pattern: str, make: Make, width: int = 16, **options: Any) -> None:
        """Add a classifier around a convolution, its BatchNorm and a layer that gives ``width`` channels."""
        self.part(name, pattern, lambda: nn.Sequential(conv_bn(16, 16), make()), width, **options)

    def function(
        self, name: str, pattern: str, function: Callable[[Tensor], Any], width: int = 16, **options: Any
    ) -> None:
        """Add a classifier around a convolution, its BatchNorm and a function to ``width`` channels."""
        self.layer(name, pattern, lambda: Apply(function), width, **options)
