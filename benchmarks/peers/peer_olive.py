"""Olive's static quantization pass, with the defaults it has for a CPU."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Run a workflow of one pass."""
    from olive.data.registry import Registry  # type: ignore[import-not-found,unused-ignore]
    from olive.workflows import run  # type: ignore[import-not-found,unused-ignore]

    @Registry.register_dataset("faces")  # type: ignore[untyped-decorator,unused-ignore]
    def faces(**_: Any) -> list[tuple[dict[str, NDArray[np.float32]], int]]:
        return [({"input": image}, 0) for image in images]

    exported = output.with_name("float.onnx")
    example = (torch.from_numpy(images[:1]),)
    torch.onnx.export(network, example, exported, input_names=["input"], dynamo=True, external_data=False)
    found = run(
        {
            "input_model": {"type": "ONNXModel", "model_path": str(exported)},
            "data_configs": [{"name": "faces", "load_dataset_config": {"type": "faces"}}],
            "passes": {
                "int8": {"type": "OnnxStaticQuantization", "data_config": "faces", "per_channel": True}
            },
            "output_dir": str(output.with_name("olive")),
            "cache_dir": str(output.with_name("olive-cache")),
        }
    )
    shutil.copyfile(found.get_best_candidate().model_path, output)
