"""What was settled -> the report's records of it: the patch that is left, and each change that was withdrawn. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, Final

from imgscan.optimize.records import Change, Comparison, Plan, Proof, Withdrawal
from imgscan.optimize.settle import Replan, Settled
from imgscan.patches import (
    ImageComparison,
    PatchChange,
    PatchProof,
    ProofCheck,
    ProofOutcome,
    Rebuilds,
    ScenarioProof,
)

_NOT_BUILT: Final = "nothing was built: --prove builds before and after"
_LEFT_OVER: Final = "it was not built: it came up only when others had been withdrawn"
PatchOf = Callable[[Plan], str | None]
"""The unified diff of a plan; None where it cannot be shown."""


def patch_proofs(settled: Settled, replan: Replan, patch_of: PatchOf, *, asked: bool) -> Iterator[PatchProof]:
    """The patch that is left, then what was withdrawn. `asked` says whether a proof was asked for, `replan` makes the
    patch of one change alone."""
    plan = settled.plan
    if plan.changes:
        reason = None if settled.proof else _LEFT_OVER if asked else _NOT_BUILT
        yield _record(plan, plan.changes, settled.proof, reason, patch_of(plan))
    ids = {change.id for change in (*plan.changes, *(item.change for item in settled.withdrawn))}
    for item in settled.withdrawn:
        alone = replan(ids - {item.change.id})
        # What can only be made together with others has no patch of its own.
        own = [change.id for change in alone.changes] == [item.change.id]
        yield _withdrawn(plan, item, patch_of(alone) if own else None)


def _withdrawn(plan: Plan, item: Withdrawal, patch: str | None) -> PatchProof:
    return _record(plan, (item.change,), item.proof, item.reason, patch)


def _record(
    plan: Plan, changes: tuple[Change, ...], proof: Proof | None, reason: str | None, patch: str | None
) -> PatchProof:
    return PatchProof(
        title=changes[0].title if len(changes) == 1 else f"{len(changes)} changes in one patch",
        outcome=ProofOutcome.NOT_PROVED if reason else ProofOutcome.PROVED,
        changes=tuple(_change(plan, one) for one in changes),
        patch=patch,
        reason=reason,
        checks=tuple(ProofCheck(name=one.name, ok=one.ok, detail=one.detail) for one in proof.checks) if proof else (),
        scenarios=tuple(map(scenario_proof, proof.comparisons)) if proof else (),
        image=_image(proof) if proof and proof.files_compared else None,
    )


def _change(plan: Plan, change: Change) -> PatchChange:
    if change.edits:
        place: dict[str, Any] = {"file": plan.inputs.dockerfile.file, "line": change.line}
    else:
        place = {"file": plan.inputs.ignore_file}
    return PatchChange(kind=change.kind.value, title=change.title, **place)


def scenario_proof(item: Comparison) -> ScenarioProof:
    """One rebuild before and after, with median and spread."""
    return ScenarioProof(
        name=item.scenario,
        touched=item.touched,
        before=_rebuilds(item.before_s, item.steps_run_before, item.steps_total_before),
        after=_rebuilds(item.after_s, item.steps_run_after, item.steps_total),
    )


def _rebuilds(seconds: tuple[float, ...], run: int, total: int) -> Rebuilds:
    return Rebuilds(
        seconds=seconds,
        median_s=round(median(seconds), 3),
        spread_s=round(max(seconds) - min(seconds), 3),
        steps_cached=max(total - run, 0),
        steps_total=total,
    )


def _image(proof: Proof) -> ImageComparison:
    return ImageComparison(
        paths=proof.files_compared,
        nondeterministic=proof.nondeterministic,
        nondeterministic_count=proof.nondeterministic_count,
        left_out=proof.left_out,
        left_out_count=proof.left_out_count,
    )
