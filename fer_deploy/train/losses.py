"""Losses of the training loop."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(logits: Tensor, distribution: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy (nats) between ``distribution`` and softmax of ``logits``.

    Args:
        logits: float32 (N, K).
        distribution: float32 (N, K), rows sum to 1.
        smoothing: fraction of each target's mass spread evenly over the K classes.
    """
    target = distribution * (1 - smoothing) + smoothing / distribution.shape[1]
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


def divergence(logits: Tensor, probabilities: Tensor, temperature: float) -> Tensor:
    """Return the mean Kullback-Leibler divergence (nats) of the softened answer from the teachers', times T squared.

    The square keeps the gradient's size when the temperature changes (Hinton et al., 2015, section 2).

    Args:
        logits: the student's, float32 (N, K).
        probabilities: the teachers' at the same temperature, float32 (N, K), rows sum to 1.
        temperature: divides the logits.
    """
    answer = F.log_softmax(logits / temperature, dim=1)
    return F.kl_div(answer, probabilities, reduction="batchmean") * temperature**2
