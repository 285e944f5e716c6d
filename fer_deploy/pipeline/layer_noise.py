"""Which layers lose what, and which take how long: the per-layer part of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from fer_deploy.data.faces import Faces
from fer_deploy.errors import FerDeployError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.comparison import layer_noise
from fer_deploy.measure.figures import LayerFigures
from fer_deploy.pipeline.export import Exported
from fer_deploy.pipeline.store import LAYERS, Store, digest
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import LayerOutput, torch_layers
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.report.schema import GraphReport
from fer_deploy.targets.registry import get_target

#: Test images on which layers are compared, evenly spread over the split. Every layer's output of all of them is in
#: memory at once; a layer's ratio of powers is a sum over thousands of activations per image.
IMAGES = 32

Noise = tuple[LayerFigures, ...] | Unknown


class LayerComparer:
    """Compares layers with the float model's on some of the test images."""

    def __init__(
        self,
        plain: Callable[[], Graph],
        fixed_batch: int | None,
        test: Faces,
        images_sha256: str | None,
        store: Store,
        reuse: bool,
    ) -> None:
        """Choose the images.

        Args:
            plain: gives the float graph that artifacts are lowered from; asked when its layers are needed.
            fixed_batch: the only batch size of the model, or None.
            test: the test images, of which :data:`IMAGES` are taken.
            images_sha256: their digest.
            store: where comparisons are kept.
            reuse: whether an earlier run's comparison may stand for this one's; False for a model that is code.
        """
        count = min(fixed_batch or IMAGES, len(test))
        chosen = np.linspace(0, len(test) - 1, count).round().astype(np.int64)
        self._plain, self._store, self._reuse = plain, store, reuse
        self._pixels = test.pixels[chosen]
        self._images = digest(images=images_sha256, rows=[int(row) for row in chosen])
        self._reference: list[LayerOutput] | None = None

    def graphs(
        self, recipes: Iterable[str], graph_of: Callable[[str], Graph], made_from: Callable[[str], str]
    ) -> tuple[GraphReport, ...]:
        """Return the layers of each quantized graph before it is lowered, run in torch.

        Args:
            recipes: by name.
            graph_of: gives a recipe's graph; not asked for what is reused.
            made_from: gives the digest of what a recipe's graph is made from.
        """
        found = []
        for recipe in recipes:
            if not parse_recipe(recipe).quantized:
                continue

            def compare(recipe: str = recipe) -> Noise:
                return layer_noise(self._float_layers(), torch_layers(graph_of(recipe).module, self._pixels))

            noise = self._once(f"graph-{recipe}", made_from(recipe), compare)
            found.append(
                GraphReport(recipe=recipe, layers_reason=noise.reason)
                if isinstance(noise, Unknown)
                else GraphReport(recipe=recipe, layers=noise)
            )
        return tuple(found)

    def artifact(self, made: Exported) -> Noise:
        """Return the layers of a quantized artifact, or why it shows none; none of any other artifact."""
        if not parse_recipe(made.artifact.info.recipe).quantized:
            return ()

        def compare() -> Noise:
            artifact = made.artifact
            layers = get_target(artifact.info.target).layer_outputs(artifact.file, self._pixels)
            if isinstance(layers, Unknown):
                return layers
            return layer_noise(self._float_layers(), layers.outputs, layers.emulation)

        return self._once(made.artifact.key, made.artifact.info.sha256, compare)

    def names(self) -> tuple[str, ...]:
        """Return the names of the float model's layers that have a weight, in order."""
        return tuple(layer.name for layer in self._float_layers())

    def _once(self, name: str, made_from: str, compare: Callable[[], Noise]) -> Noise:
        def compared() -> Noise:
            try:
                return compare()
            except FerDeployError as error:  # an emulation that lacks an operation
                return Unknown(reason=str(error))

        return self._store.once(
            LAYERS, name, digest(of=made_from, images=self._images), compared, self._reuse
        )

    def _float_layers(self) -> list[LayerOutput]:
        if self._reference is None:
            self._reference = torch_layers(self._plain().module, self._pixels)
        return self._reference
