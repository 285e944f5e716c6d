"""How many images a limit takes: to show a figure within it, and before a run. What works it out is imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_deploy.measure.figures import ParityFigures


def images_for_share(share: float, images: int, least: float, _: ParityFigures | None = None) -> int | None:
    """Return how many images show a share to be at least ``least``."""
    from fer_deploy.measure import statistics

    return statistics.images_for_share(round(share * images), images, least)


def images_for_flips(share: float, images: int, most: float, _: ParityFigures | None) -> int | None:
    """Return how many images show a share of flips to be at most ``most``."""
    return images_for_share(1 - share, images, 1 - most)


def images_for_drop(_: float, images: int, most: float, parity: ParityFigures | None) -> int | None:
    """Return how many images show a drop to be at most ``most`` points."""
    from fer_deploy.measure import statistics

    if parity is None or parity.lost is None or parity.gained is None:
        return None
    return statistics.images_for_drop(parity.lost, parity.gained, images, most / 100)


def plan_drop(most: float, changed: float, _: int, chance: float) -> int | None:
    """Return how many images a limit on the drop takes."""
    from fer_deploy.measure.power import images_for_drop_limit

    return images_for_drop_limit(most / 100, changed, chance)


def plan_flips(most: float, changed: float, _: int, chance: float) -> int | None:
    """Return how many images a limit on flips takes."""
    from fer_deploy.measure.power import images_for_flip_limit

    return images_for_flip_limit(most, changed, chance)


def plan_worst_class(most: float, changed: float, classes: int, chance: float) -> int | None:
    """Return how many images of each class a limit on the worst class takes."""
    from fer_deploy.measure.power import images_per_class

    return images_per_class(most / 100, changed, classes, chance)
