"""Writes ``vectors/artifact/``: an artifact folder for the tests of the apps' cores.

    python tests/apps/make_artifact.py

Its two JSON files come from the real schemas, so the cores are tested against what fer-deploy writes. Its model
file is no model: the cores' tests put an engine in its place whose logit k is pixel k divided by ten.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fer_deploy.contract import Contract
from fer_deploy.files import write_atomic
from fer_deploy.targets.artifact import GOLDEN_FILE, INFO_FILE, ArtifactInfo, TensorInfo
from fer_deploy.targets.golden import FLOAT_TOLERANCE, Golden, golden_inputs, vectors

COMMITTED = Path(__file__).with_name("vectors") / "artifact"
MODEL = b"A stand-in: the apps' tests never run it.\n"
FILE = "model.onnx"


def files() -> dict[str, bytes]:
    """Return the folder's content by file name."""
    contract = Contract.model_validate(
        {
            "labels": ["neutral", "happiness", "surprise"],
            "input": {
                "height": 16,
                "width": 20,
                "color": "rgb",
                "resize": "bicubic",
                "crop_margin": 0.1,
                "mean": [120.0, 128.0, 131.5],
                "std": [64.0, 60.0, 70.25],
            },
            "trained_on": {"dataset": "none: made for tests", "note": 'quotes " and umlauts äöü'},
            "confidence": {
                "temperature": 0.8,
                "unsure_below": 0.6,
                "coverage": 0.9,
                "fitted_on": "nothing",
                # Bright pixels are a face and dark ones none, since the stand-in's logits are pixels.
                "no_face": {
                    "weights": [0.02, -0.01, 0.03],
                    "energy": -1.5,
                    "bias": 6.0,
                    "above": 0.7,
                    "kept": 0.99,
                    "fitted_on": "nothing",
                },
            },
        }
    )
    inputs = golden_inputs(contract.input)
    logits = np.stack([pixels.reshape(-1)[:3] for pixels in inputs.values()]).astype(np.float32) / np.float32(
        10
    )
    sha256 = hashlib.sha256(MODEL).hexdigest()
    info = ArtifactInfo(
        model="stand_in",
        weights_sha256="0" * 64,
        target="onnx",
        recipe="float",
        runtime="ONNX Runtime CPU",
        file=FILE,
        sha256=sha256,
        size_bytes=len(MODEL),
        contract_sha256=contract.sha256,
        contract=contract,
        input=TensorInfo(
            name="pixels",
            dtype="float32",
            layout="NCHW",
            shape=contract.input.shape,
            meaning="rgb pixels 0..255",
        ),
        output=TensorInfo(name="logits", dtype="float32", layout="NK", shape=(1, 3), meaning="logits"),
        scales=None,
        calibration=None,
        versions={
            name: "1.0.0" for name in ("python", "fer-deploy", "executorch", "onnxruntime", "coremltools")
        },
    )
    golden = Golden(
        contract_sha256=contract.sha256,
        artifact_sha256=sha256,
        reference="pixel k divided by ten",
        max_abs_difference=FLOAT_TOLERANCE,
        vectors=vectors(inputs, logits),
    )
    return {
        FILE: MODEL,
        INFO_FILE: (info.model_dump_json(indent=1) + "\n").encode(),
        GOLDEN_FILE: (golden.model_dump_json(indent=1) + "\n").encode(),
    }


if __name__ == "__main__":
    for name, content in files().items():
        write_atomic(COMMITTED / name, content)
