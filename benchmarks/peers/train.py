"""Trains the second network on FER+, on a CPU, in minutes: one of ordinary accuracy is enough to be quantized.

    python benchmarks/peers/train.py build/peers/mobilenet_v3 [--epochs 8]

Writes ``weights.safetensors`` and ``contract.toml`` into the folder, for ``peers.mobilenet_v3:build``. Labels are the
votes; the contract's input is that of ``models/fer_s``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import numpy as np
import tomlkit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import mobilenet_v3

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.files import write_atomic
from fer_deploy.model import load_model

BATCH, RATE, DECAY = 128, 3e-3, 0.05


def contract_text() -> str:
    """Return the contract of the network: labels and input of the shipped model."""
    document = tomlkit.parse(Path("models/fer_s/model.toml").read_text(encoding="utf-8"))
    contract = document["contract"]
    assert isinstance(contract, dict)
    kept = {"labels": list(contract["labels"]), "input": dict(contract["input"])}
    return tomlkit.dumps({"contract": {**kept, "trained_on": {"dataset": "FER+", "split": "FER+ Training"}}})


def train(faces: Faces, epochs: int, seed: int) -> dict[str, object]:
    """Return the state of a network trained on ``faces``: AdamW, one cycle, images mirrored, moved, partly erased."""
    import torch
    import torch.nn.functional as F

    from fer_deploy.train.augment import augment, normalised
    from fer_deploy.train.recipe import AugmentSpec

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    spec = load_model("models/fer_s").contract.input
    changes = AugmentSpec(flip=True, rotation=8.0, scale=0.08, shift=0.06, contrast=0.1, brightness=0.05)
    network = mobilenet_v3.build().train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = epochs * (len(faces) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    pixels, wanted = torch.from_numpy(faces.pixels), torch.from_numpy(faces.distribution)
    for epoch in range(epochs):
        began, losses = time.perf_counter(), []
        order = torch.randperm(len(faces), generator=generator)
        for begin in range(0, len(order) // BATCH * BATCH, BATCH):
            index = order[begin : begin + BATCH]
            batch = normalised(augment(pixels[index].float(), changes, generator), spec)
            logits = network(batch.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, wanted[index])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        spent = time.perf_counter() - began
        click.echo(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}, {spent:.0f} s")
    return {name: value.contiguous() for name, value in network.state_dict().items()}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--epochs", default=8, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, epochs: int, seed: int) -> None:
    """Train, and write weights and contract into FOLDER."""
    from safetensors.torch import save

    contract = load_model("models/fer_s").contract
    training = open_dataset(DatasetSpec(), "train", contract.labels, contract.input)
    state = train(training, epochs, seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "contract.toml", contract_text())
    write_atomic(folder / "weights.safetensors", save(state))


if __name__ == "__main__":
    main()
