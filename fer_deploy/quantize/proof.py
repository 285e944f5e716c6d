"""Proof of a step: what a network answers before and after it, on real faces.

A step that changes a graph is *exact*, and then its answers are those of before but for float rounding, or *lossy*,
and then its noise is measured and has a floor. A step that breaks its contract stops the job: with its name, the first
layer at which the two part, and what to do. Random inputs prove little: a step can be right on noise and wrong on
faces, so the inputs are the calibration set's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ProofError
from fer_deploy.frozen import Frozen

Logits = NDArray[np.float32]

#: Faces that every step is proven on. All layers of fer_s on them take 25 MB; a fault that leaves 32 different faces
#: alone touches no layer's usual values.
PROOF_IMAGES = 32
#: Least SQNR, dB, of an exact step between two graphs that torch runs. Other orders of summation give 110 to 140 on the
#: networks of tests/conformance; a fault that shows in no more than a ten-thousandth of the signal would pass.
EXACT_DB = 80.0
#: The same where another runtime computes: its exponentials and its Winograd convolutions are rounded otherwise.
RUNTIME_DB = 60.0
#: Float32 rounding of a logit's own size, in units of the largest logit: 2**-24 by each of some 256 operations. It is
#: what remains of the floors above where a network hardly tells faces apart.
_ROUNDING = 2.0**-16
#: Noise of a lowering beside that of the graph it was lowered from: engines round half-way cases otherwise.
LOWERING_MARGIN_DB = 3.0
#: Least SQNR and agreement, by precision, under which what was made is no longer the network.
FLOOR_DB = {"float": RUNTIME_DB, "fp16": 20.0, "w8": 8.0, "w8a8": 8.0}
FLOOR_AGREEMENT = 0.7
#: Stands for answers that are not finite, or a network that tells no face from another.
_NOTHING_DB = -300.0
#: Loss that is honest but large: said by ``export``, and written into artifact.json.
LARGE_LOSS_DB = 20.0
LARGE_LOSS_AGREEMENT = 0.95


class Proof(Frozen):
    """What one step showed of itself."""

    step: str
    contract: Literal["exact", "lossy", "not proven"]
    images: int
    sqnr_db: float | None
    """Of the answers after it against those before; None where they are equal bit for bit, or were not compared."""
    agreement: float | None
    """Share of the images on which both have the same top class; None where they were not compared."""
    note: str | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What proofs are made on, and what the float network answers there.

    Attributes:
        pixels: uint8 (N, C, H, W).
        logits: float32 (N, K), of the float network run eagerly by torch.
        source: where the images come from.
        real: False where they are drawn, because no data set was at hand.
    """

    pixels: NDArray[np.uint8]
    logits: Logits
    source: str
    real: bool = True


def sqnr_of(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return 10 log10(signal / noise) in dB; infinite when equal.

    The signal is what differs between the images: the mean over them is no information.
    """
    wanted, got = reference.astype(np.float64), other.astype(np.float64)
    if not np.isfinite(got).all():
        return float("-inf")
    noise = float(np.square(wanted - got).sum())
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal > 0 else float("-inf")


def agreement_of(reference: Logits, other: Logits) -> float:
    """Return the share of images on which both have the same top class."""
    return float((reference.argmax(1) == other.argmax(1)).mean())


def within_rounding(reference: NDArray[np.float32], other: NDArray[np.float32], least_db: float) -> bool:
    """Return whether ``other`` differs by float rounding only.

    That is an SQNR of ``least_db``, or an error of the rounding of the largest value: a network that hardly tells faces
    apart has little signal, not more noise.
    """
    if reference.shape != other.shape or not np.isfinite(other).all():
        return False
    if sqnr_of(reference, other) >= least_db:
        return True
    largest = float(np.abs(reference).max(initial=0.0))
    allowed = _ROUNDING * largest * 10 ** ((EXACT_DB - least_db) / 20) + float(np.finfo(np.float32).tiny)
    return float(np.abs(reference - other).max(initial=0.0)) <= allowed


def proof(step: str, contract: Literal["exact", "lossy"], before: Logits, after: Logits) -> Proof:
    """Return the figures of a step, judging nothing."""
    sqnr = max(sqnr_of(before, after), _NOTHING_DB)
    return Proof(
        step=step,
        contract=contract,
        images=len(before),
        sqnr_db=round(sqnr, 2) if np.isfinite(sqnr) else None,
        agreement=agreement_of(before, after),
    )


def prove_exact(
    step: str,
    before: Logits,
    after: Logits,
    where: Callable[[], str | None] = lambda: None,
    least_db: float = EXACT_DB,
    remedy: str = "this is a fault of fer-deploy or of the tool it calls: please report the network",
) -> Proof:
    """Return the proof of a step that may only round.

    Args:
        step: what was done, for people.
        before, after: logits float32 (N, K) on the same images.
        where: finds the first layer at which the two part, or says why it cannot; called on failure only.
        least_db: of the SQNR.
        remedy: what the user can do.

    Raises:
        ProofError: the answers differ by more.
    """
    if before.shape != after.shape:
        raise ProofError(
            f"{step} changed the network: it answers {list(after.shape)} for {list(before.shape)}; {remedy}"
        )
    require_finite(step, after)
    if not within_rounding(before, after, least_db):
        place = where()
        raise ProofError(
            f"{step} changed the network: on {len(before)} faces its answers are at "
            f"{sqnr_of(before, after):.1f} dB where rounding alone leaves {least_db:.0f}"
            f"{f', first apart at {place}' if place else ''}; {remedy}"
        )
    return proof(step, "exact", before, after)


def prove_lossy(
    step: str,
    before: Logits,
    after: Logits,
    floor_db: float,
    costliest: Callable[[], tuple[str, ...]],
    remedy: str,
    least_agreement: float = FLOOR_AGREEMENT,
) -> Proof:
    """Return the proof of a step that may add noise, down to a floor.

    Args:
        step: what was done, for people.
        before, after: logits float32 (N, K) on the same images.
        floor_db: least SQNR.
        costliest: finds the layers that cost most; called on failure only.
        remedy: what the user can do.
        least_agreement: of the top classes.

    Raises:
        ProofError: the answers are under either floor, or not finite.
    """
    if before.shape != after.shape:
        raise ProofError(
            f"{step} leaves another network: it answers {list(after.shape)} for {list(before.shape)}; {remedy}"
        )
    require_finite(step, after)
    found = proof(step, "lossy", before, after)
    if not holds(found, floor_db, least_agreement) and not within_rounding(before, after, RUNTIME_DB):
        raise ProofError(under_floor(found, floor_db, costliest(), remedy))
    return found


def require_finite(step: str, after: Logits) -> None:
    """Raise ProofError when a step leaves answers that are NaN or infinite."""
    if not np.isfinite(after).all():
        raise ProofError(
            f"{step} leaves answers that are not finite; look for -inf paddings, overflow in fp16 and scales that were "
            "never observed"
        )


def holds(found: Proof, floor_db: float, least_agreement: float = FLOOR_AGREEMENT) -> bool:
    """Return whether a proof's figures are above a floor of SQNR, and above that of agreement."""
    loud = found.sqnr_db is None or found.sqnr_db >= floor_db
    return loud and found.agreement is not None and found.agreement >= least_agreement


def under_floor(found: Proof, floor_db: float, layers: tuple[str, ...], remedy: str) -> str:
    """Return the sentence that refuses what is under its floor."""
    return (
        f"{found.step} leaves another network: on {found.images} faces its answers are at {found.sqnr_db} dB and "
        f"{found.agreement or 0.0:.0%} agreement, where {floor_db:.1f} dB and {FLOOR_AGREEMENT:.0%} are the least"
        f"{'; it costs most at ' + ', '.join(layers) if layers else ''}; {remedy}"
    )
