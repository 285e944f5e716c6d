"""The Android demo's LiteRT engine on a whole test split, beside the interpreter that fer-deploy itself runs.

    android_demo/build-apk.sh check && android_demo/host_runtime/prepare_litert.sh
    python benchmarks/litert_in_demo.py dist/fer_s/litert-float dist/fer_s/litert-w8a8-ptq --data FOLDER_WITH_THE_NPZ

The first is the app's own Kotlin on a JVM with LiteRT 1.4.0 for Linux behind it (android_demo/host_runtime), the second
the installed ai-edge-litert. Nothing is timed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

_RUN = Path(__file__).resolve().parents[1] / "android_demo" / "build" / "host" / "run_litert"


def in_demo(artifact: Path, pixels: NDArray[np.uint8], scratch: Path) -> tuple[NDArray[np.float32], str]:
    """Return the demo's logits and what it calls its runtime."""
    job, results = Path(shutil.copytree(artifact, scratch / "job")), scratch / "run"
    pixels.astype("<f4").tofile(job / "inputs.f32")
    subprocess.run([_RUN, job, results, ""], check=True)
    if (results / "error.txt").exists():
        raise click.ClickException((results / "error.txt").read_text())
    logits = np.fromfile(results / "logits.f32", "<f4").reshape(len(pixels), -1)
    return logits, json.loads((results / "result.json").read_text())["runtime_version"]


@click.command()
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), default=None, help="The npz or its folder.")
@click.option("--images", default=0, help="How many test images; 0 for all.")
def main(artifacts: tuple[Path, ...], data: Path | None, images: int) -> None:
    from fer_deploy.data.registry import DatasetSpec, open_dataset
    from fer_deploy.targets.artifact import GOLDEN_FILE, open_artifact, tool_versions
    from fer_deploy.targets.golden import Golden
    from fer_deploy.targets.registry import get_target

    for folder in artifacts:
        artifact = open_artifact(folder)
        contract = artifact.info.contract
        test = open_dataset(DatasetSpec(path=data), "test", contract.labels, contract.input)
        pixels, wanted = test.pixels[: images or None], test.targets[: images or None]
        with tempfile.TemporaryDirectory() as scratch:
            demo, runtime = in_demo(folder, pixels, Path(scratch))
        session = get_target(artifact.info.target).open(artifact.file, 1)
        here = np.concatenate([session.run(one[None].astype(np.float32)) for one in pixels])
        golden = Golden.model_validate_json((folder / GOLDEN_FILE).read_bytes())
        apart, equal = np.abs(demo - here), demo.argmax(1) == here.argmax(1)
        click.echo(
            f"{artifact.key}, {len(pixels):,} images of {test.name}: accuracy {(demo.argmax(1) == wanted).mean():.2%} "
            f"({runtime}), {(here.argmax(1) == wanted).mean():.2%} (ai-edge-litert "
            f"{tool_versions()['ai-edge-litert']}); the same top class on {int(equal.sum()):,} ({equal.mean():.2%}); "
            f"logits equal {float((apart == 0).mean()):.2%}, largest difference {apart.max():.3g}, allowed "
            f"{golden.max_abs_difference:.3g}"
        )


if __name__ == "__main__":
    main()
