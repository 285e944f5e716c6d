"""Makes one entrant's file of one network, in a process of its own, and writes how long it took or why it failed.

    python benchmarks/peers/make.py fer_s ort FOLDER

``run.py`` starts it. Seconds are those of the user's code from the float network in memory to the file, with the tool's
own imports; processor seconds are those of this process and what it started, which load does not stretch.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.results import Made
from peers.roster import entrant, network_model, normalised

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import first_line
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.registry import get_target

CALIBRATION_IMAGES = 512


@click.command()
@click.argument("network")
@click.argument("key")
@click.argument("folder", type=click.Path(path_type=Path))
def main(network: str, key: str, folder: Path) -> None:
    """Make KEY's file of NETWORK in FOLDER, and made.json beside it."""
    import torch

    torch.set_num_threads(1)
    chosen, model = entrant(key), network_model(network)
    contract = model.contract
    training = open_dataset(DatasetSpec(), "train", contract.labels, contract.input)
    faces = choose_calibration(training, CALIBRATION_IMAGES).faces
    images = normalised(contract.input, faces.pixels)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / get_target(chosen.target).file
    code = chosen.code()
    began, spent = time.perf_counter(), sum(os.times()[:4])
    failure = None
    try:
        if chosen.ours:
            code(model, faces, file, chosen.target)
        else:
            code(model.network, images, file)
    except Exception as error:  # whatever a peer raises is its row
        traceback.print_exc()
        failure = f"{type(error).__name__}: {first_line(error)}"
    made = Made(
        seconds=time.perf_counter() - began,
        processor_seconds=sum(os.times()[:4]) - spent,
        failure=failure,
    )
    (folder / "made.json").write_text(made.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
