"""What a run with `--verify` showed: one record per proof, part of the report."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from imgscan.frozen import frozen


class Outcome(StrEnum):
    """What came of a proof. Only one that was carried out can have passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not verified"


@frozen
class Verification:
    """One proof. `subject` is what it was about (a script, a service, an edge; empty: the whole set-up), `evidence`
    what was seen or why it could not be carried out, bounded and without secrets; `cites` are the points of the risk's
    list that it speaks of, `seconds` is how long it took."""

    name: str
    risk_id: str
    outcome: Outcome
    evidence: str
    seconds: float
    subject: str = ""
    cites: tuple[str, ...] = ()


def risk_outcomes(verifications: Iterable[Verification]) -> dict[str, Outcome]:
    """What all proofs of a risk say together: failed if one failed, not verified if one could not be carried out, else
    passed."""
    order = (Outcome.PASSED, Outcome.NOT_VERIFIED, Outcome.FAILED)
    worst: dict[str, Outcome] = {}
    for item in verifications:
        before = worst.get(item.risk_id, Outcome.PASSED)
        worst[item.risk_id] = max(before, item.outcome, key=order.index)
    return worst


def passed_risks(verifications: Iterable[Verification]) -> frozenset[str]:
    """The risks of which every proof was carried out and passed."""
    return frozenset(risk for risk, outcome in risk_outcomes(verifications).items() if outcome is Outcome.PASSED)
