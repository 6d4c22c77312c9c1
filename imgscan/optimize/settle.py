"""A plan and a prover -> what stands: the changes that are proved together, those withdrawn and why, the proof."""

from __future__ import annotations

from collections.abc import Callable, Collection

from imgscan.frozen import frozen
from imgscan.optimize.prove import Prover
from imgscan.optimize.records import Plan, Proof, Withdrawal

Replan = Callable[[Collection[str]], Plan]
"""Gives the plan without the changes of these ids."""


@frozen
class Settled:
    """The plan that is left, its proof (None: nothing was proved, or nothing was to be), and what was withdrawn."""

    plan: Plan
    proof: Proof | None = None
    withdrawn: tuple[Withdrawal, ...] = ()


def settle(prover: Prover, plan: Plan, replan: Replan) -> Settled:
    """All changes at once; if that is no proof, one after the other, those that stand being kept.

    Raises EngineError.
    """
    proof = prover.prove(plan)
    if proof.reason is None:
        return Settled(plan=plan, proof=proof)
    ids = {change.id for change in plan.changes}
    if len(plan.changes) == 1:
        only = Withdrawal(change=plan.changes[0], reason=proof.reason, proof=proof)
        return Settled(plan=replan(ids), withdrawn=(only,))
    left_out, withdrawn = set(ids), []
    for change in plan.changes:
        trial = replan(left_out - {change.id})
        if not any(other.id == change.id for other in trial.changes):
            reason = "it can only be made together with another change"
            withdrawn.append(Withdrawal(change=change, reason=reason))
            continue
        proof = prover.prove(trial, timed=False)
        if proof.reason is not None:
            withdrawn.append(Withdrawal(change=change, reason=proof.reason, proof=proof))
        else:
            left_out.discard(change.id)
    kept = replan(left_out)
    last = prover.prove(kept) if kept.changes else None
    if last is not None and last.reason is not None:
        withdrawn += [Withdrawal(change=change, reason=last.reason, proof=last) for change in kept.changes]
        return Settled(plan=replan(ids), withdrawn=tuple(withdrawn))
    return Settled(plan=kept, proof=last, withdrawn=tuple(withdrawn))
