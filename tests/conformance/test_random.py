"""Networks drawn from a grammar, on all three targets: what no one thought of."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch
from hypothesis import given, settings

from conformance.faces import bench
from conformance.grammar import factory, networks
from conformance.harness import check, normalised
from conformance.lively import lively
from conformance.registry import Network

#: How many networks the slow test draws.
COUNT = int(os.environ.get("FER_RANDOM_NETWORKS", "200"))
#: Drawn, not shrunk: each takes about 20 s, and all that fail are wanted.
_DRAWN = settings(
    phases=[hypothesis.Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def drawn(count: int) -> Iterator[str]:
    """Return the code of so many networks, the same on every run."""
    found: list[str] = []

    @settings(_DRAWN, max_examples=count)
    @given(networks())
    def draw(code: str) -> None:
        found.append(code)

    draw()
    return iter(found)


def test_drawn_networks_answer_to_the_face() -> None:
    faces = normalised(bench().calibration.faces.pixels)
    for code in drawn(25):
        network = lively(factory(code), None, faces)
        with torch.no_grad():
            spread = float(network(faces).std(0).mean())
        assert 0.3 < spread < 3, code


def test_draws_are_the_same_on_every_run() -> None:
    assert list(drawn(10)) == list(drawn(10))


@pytest.mark.slow
def test_drawn_networks_are_right_or_refused() -> None:
    failures = []
    for index, code in enumerate(drawn(COUNT)):
        network = Network(f"drawn_{index}", "Drawn", "drawn", factory(code))
        wrong = [
            f"{target} {recipe}: {verdict.text or f'{verdict.sqnr:.1f} dB, reference {verdict.reference}'}"
            for (target, recipe), verdict in check(network).items()
            if verdict.kind == "wrong"
        ]
        if wrong:
            failures.append("\n".join((f"--- drawn {index}", *wrong, code)))
            print(failures[-1], flush=True)
    assert not failures, f"{len(failures)} of {COUNT} drawn networks:\n" + "\n".join(failures)
