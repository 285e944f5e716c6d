"""Every network on every target: right, or refused in one sentence that names what is wrong and the way out."""

from __future__ import annotations

import re

import pytest

import conformance.networks  # noqa: F401
from conformance.harness import Verdict, check
from conformance.registry import NETWORKS, Network

LIST = list(NETWORKS.values())


def problem(network: Network, target: str, recipe: str, verdict: Verdict) -> str | None:
    """Return what is not as the list has it, in a line, or None."""
    where = f"{target} {recipe}"
    refusal = network.refusal(target, recipe)
    if verdict.kind == "wrong":
        measured = "" if verdict.sqnr is None else f"{verdict.sqnr:.1f} dB, reference {verdict.reference}"
        return f"{where}: wrong: {verdict.text}{measured}"
    if verdict.kind == "right":
        return None if refusal is None or network.or_right else f"{where}: not refused"
    if refusal is None:
        return f"{where}: refused: {verdict.text}"
    return (
        None
        if re.search(refusal, verdict.text)
        else f"{where}: refused, but not for {refusal!r}: {verdict.text}"
    )


@pytest.mark.parametrize("network", [item for item in LIST if item.quick], ids=lambda item: item.name)
def test_the_most_dangerous_artifact(network: Network) -> None:
    assert network.quick is not None
    target, recipe = network.quick.split()
    verdicts = check(network, (target,), (recipe,))
    assert problem(network, target, recipe, verdicts[target, recipe]) is None


@pytest.mark.slow
@pytest.mark.parametrize("network", LIST, ids=lambda item: item.name)
def test_every_artifact(network: Network) -> None:
    problems = [problem(network, *pair, verdict) for pair, verdict in check(network).items()]
    found = [line for line in problems if line is not None]
    assert not found, "\n".join(found)
