"""A network of somebody's own: the factory that fer-deploy calls, and what trains it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

LABELS = ("happiness", "neutral", "surprise")
WEIGHTS = Path(__file__).with_name("weights.pt")


class Net(nn.Module):
    """Three convolutions and a linear layer: grey pixels as (pixel - 128) / 64 in, three logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *self._layer(1, 16),
            *self._layer(16, 32),
            *self._layer(32, 48),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(48, len(LABELS))

    @staticmethod
    def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 3) of normalised pixels (N, 1, 48, 48)."""
        logits: Tensor = self.head(self.body(x))
        return logits


def build() -> nn.Module:
    """Return the trained network; what `--model my_net:build` names."""
    network = Net()
    network.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return network


def train(faces: Path, epochs: int = 12) -> None:
    """Train on ``faces/train/<label>/*.png`` and write the weights beside this file."""
    torch.manual_seed(0)
    files = [
        (file, index)
        for index, label in enumerate(LABELS)
        for file in sorted((faces / "train" / label).iterdir())
    ]
    pixels = np.stack([np.asarray(Image.open(file).convert("L"), dtype=np.float32) for file, _ in files])
    inputs, targets = (
        torch.from_numpy((pixels[:, None] - 128) / 64),
        torch.tensor([index for _, index in files]),
    )
    network = Net().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
    torch.save(network.state_dict(), WEIGHTS)


if __name__ == "__main__":
    train(Path("faces"))
