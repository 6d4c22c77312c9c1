"""What the proofs of `--verify` showed, as people read it. In: a `Report`. Out: rows of plain, unescaped values; the
formats escape them at their sink."""

from __future__ import annotations

from collections import Counter

from imgscan.model import Outcome, Report, Verification

HEADERS = ("risk", "proof", "outcome", "seconds", "seen")
_ORDER = (Outcome.FAILED, Outcome.NOT_VERIFIED, Outcome.PASSED)


def proof_rows(report: Report) -> list[tuple[str, str, str, str, str]]:
    """Risk, proof, outcome, seconds, and what was seen: what failed first."""
    ordered = sorted(report.verifications, key=lambda item: (_ORDER.index(item.outcome), item.risk_id))
    return [(item.risk_id, item.name, item.outcome.value, f"{item.seconds:.1f}", _seen(item)) for item in ordered]


def proof_counts(report: Report) -> str:
    """`8 passed, 1 failed, 2 not verified`."""
    counted = Counter(item.outcome for item in report.verifications)
    return ", ".join(f"{counted[outcome]} {outcome.value}" for outcome in reversed(_ORDER))


def _seen(item: Verification) -> str:
    return f"{item.subject}: {item.evidence}" if item.subject else item.evidence
