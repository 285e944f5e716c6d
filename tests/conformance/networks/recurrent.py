"""Recurrent layers over the rows of the map."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from conformance.blocks import CLASSES, stem
from conformance.registry import Group


class RecurrentHead(nn.Module):
    """The map's rows as a sequence of means, a recurrent layer, logits of its last output."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.body, self.layer, self.head = stem(), layer, nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.body(x).mean(3).transpose(1, 2)
        y, _ = self.layer(2 * rows)
        return self.head(y[:, -1])


class CellLoop(nn.Module):
    """A cell called once a row; the state starts as zeros of the batch's size."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.body, self.cell, self.head = stem(), cell, nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.body(x).mean(3)
        state: Any = torch.zeros(x.shape[0], 16)
        if isinstance(self.cell, nn.LSTMCell):
            state = (state, torch.zeros(x.shape[0], 16))
        for index in range(rows.shape[2]):
            state = self.cell(2 * rows[:, :, index], state)
        return self.head(state[0] if isinstance(state, tuple) else state)


group = Group("Recurrent")
group.whole("lstm_head", "LSTM over the rows", lambda: RecurrentHead(nn.LSTM(16, 16, batch_first=True), 16))
group.whole(
    "lstm_bidirectional",
    "LSTM in both directions",
    lambda: RecurrentHead(nn.LSTM(16, 8, batch_first=True, bidirectional=True), 16),
    below_reference=6.0,
)
group.whole("gru_head", "GRU over the rows", lambda: RecurrentHead(nn.GRU(16, 16, batch_first=True), 16))
group.whole(
    "rnn_head", "plain RNN over the rows", lambda: RecurrentHead(nn.RNN(16, 16, batch_first=True), 16)
)
group.whole("lstm_cell", "LSTMCell in a loop", lambda: CellLoop(nn.LSTMCell(16, 16)))
group.whole("gru_cell", "GRUCell in a loop", lambda: CellLoop(nn.GRUCell(16, 16)))
