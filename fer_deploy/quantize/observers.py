"""Activation observers by name. Each keeps what it saw and turns it into one range."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.recipe import ACTIVATION_EPS, PtqOptions

if TYPE_CHECKING:
    import torch

#: Ranges tried by the mse observer: each end at k/64 of what was seen.
_MSE_STEPS = 64
#: Narrower ranges are not tried: the error of clipping away three quarters of a range is never the least.
_MSE_NARROWEST = 0.25


def activation_observer(options: PtqOptions) -> Any:
    """Return the constructor of the observer that ``options`` names, for ``QuantizationSpec``.

    * min-max: the smallest and the largest value.
    * histogram: torchao's, a greedy search for the least squared error (its ``HistogramObserver``).
    * percentile: the central ``options.percentile`` per cent of the values.
    * mse: the range with the least squared error on a grid of both ends.

    Every one of them remembers in ``nonfinite`` how many values were NaN or infinite: torchao's histogram
    leaves infinities out with a warning only.
    """
    kinds = _classes()
    if options.observer == "percentile":
        return kinds["percentile"].with_args(eps=ACTIVATION_EPS, percentile=options.percentile)
    return kinds[options.observer].with_args(eps=ACTIVATION_EPS)


@functools.cache
def _classes() -> dict[str, Any]:
    import torch
    from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver

    class Watched:
        """Mixin that counts the values seen, and those of them that are not finite."""

        nonfinite = 0
        seen = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen += x.numel()
            # one pass where all is well: both ends are NaN where any value is
            ends = torch.stack(torch.aminmax(x)) if x.numel() else x
            bad = 0 if bool(torch.isfinite(ends).all()) else int((~torch.isfinite(x)).sum())
            self.nonfinite += bad
            if bad == 0:  # the count is the finding; a range of the rest would only hide it
                super().forward(x)  # type: ignore[misc]
            return x

    class MinMax(Watched, MinMaxObserver):  # type: ignore[misc]
        pass

    class Histogram(Watched, HistogramObserver):  # type: ignore[misc]
        pass

    class Percentile(Watched, HistogramObserver):  # type: ignore[misc]
        def __init__(self, percentile: float = 99.99, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.percentile = percentile

        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            return percentile_range(self.histogram, self.min_val, self.max_val, self.percentile)

    class Mse(Watched, HistogramObserver):  # type: ignore[misc]
        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            levels = self.quant_max - self.quant_min
            return mse_range(self.histogram, self.min_val, self.max_val, levels)

    return {"min-max": MinMax, "histogram": Histogram, "percentile": Percentile, "mse": Mse}


def percentile_range(
    histogram: torch.Tensor, low: torch.Tensor, high: torch.Tensor, percentile: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the range that holds the central ``percentile`` per cent of a histogram over low..high.

    Half of what is left out lies at each end; an end with more than that in its last bin (the zeros of
    a ReLU) stays where it is.
    """
    import torch

    bins = len(histogram)
    width = (high - low) / bins
    outside = histogram.sum() * (1 - percentile / 100) / 2
    first = int(torch.searchsorted(histogram.cumsum(0), outside, right=True))
    last = bins - 1 - int(torch.searchsorted(histogram.flip(0).cumsum(0), outside, right=True))
    return low + width * first, low + width * (max(last, first) + 1)


def mse_range(
    histogram: torch.Tensor, low: torch.Tensor, high: torch.Tensor, levels: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the range whose rounding and clipping give the least squared error over a histogram of low..high.

    Rounding inside a step of s costs s**2 / 12 per value; clipping costs the distance squared. Zero is
    always inside, as the affine grid demands.
    """
    import torch

    bins = len(histogram)
    centres = low + (high - low) * (torch.arange(bins, device=histogram.device) + 0.5) / bins
    share = histogram / histogram.sum()
    steps = torch.arange(int(_MSE_STEPS * _MSE_NARROWEST), _MSE_STEPS + 1) / _MSE_STEPS
    bottom, top = torch.clamp(low, max=0.0), torch.clamp(high, min=0.0)
    ends = ((steps if float(top) > 0 else steps[-1:]) * top)[:, None]
    best, chosen = float("inf"), (bottom, top)
    for start in (steps if float(bottom) < 0 else steps[-1:]) * bottom:
        inside = (centres >= start) & (centres <= ends)
        clipped = torch.where(centres < start, start - centres, centres - ends)
        cost = torch.where(inside, ((ends - start) / levels) ** 2 / 12, clipped**2)
        errors = (share * cost).sum(1)
        least = int(errors.argmin())
        if float(errors[least]) < best:
            best, chosen = float(errors[least]), (start, ends[least, 0])
    return chosen
