"""Google's ai-edge-quantizer on the file that Google's litert-torch makes of the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Convert, calibrate, quantize by the recipe of int8 weights and int8 activations."""
    import litert_torch  # type: ignore[import-not-found,unused-ignore]
    from ai_edge_quantizer import quantizer, recipe  # type: ignore[import-not-found,unused-ignore]

    exported = output.with_name("float.tflite")
    litert_torch.convert(network, (torch.from_numpy(images[:1]),)).export(str(exported))
    work = quantizer.Quantizer(str(exported), recipe.static_wi8_ai8())
    seen = work.calibrate({"serving_default": [{"args_0": image[None]} for image in images]}, num_threads=1)
    work.quantize(seen).export_model(str(output), overwrite=True)


def quantize_extremes(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Keep the extremes that were seen, where the default is a moving average of each image's own."""
    import litert_torch  # type: ignore[import-not-found,unused-ignore]
    from ai_edge_quantizer import (  # type: ignore[import-not-found,unused-ignore]
        calibrator,
        quantizer,
        recipe,
        recipe_manager,
    )
    from ai_edge_quantizer.utils import qsv_utils  # type: ignore[import-not-found,unused-ignore]

    exported = output.with_name("float.tflite")
    litert_torch.convert(network, (torch.from_numpy(images[:1]),)).export(str(exported))
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    seen = calibrator.Calibrator(str(exported), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    seen.calibrate({"serving_default": [{"args_0": image[None]} for image in images]}, manager)
    work = quantizer.Quantizer(str(exported), recipe.static_wi8_ai8())
    work.quantize(seen.get_model_qsvs()).export_model(str(output), overwrite=True)
