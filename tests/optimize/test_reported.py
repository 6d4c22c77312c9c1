"""What a run of `imgscan optimize` says in its report: one record a patch, with what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plans import plan_of

from imgscan.optimize.present import gain_of
from imgscan.optimize.records import Check, Comparison, Plan, Proof, Withdrawal
from imgscan.optimize.reported import patch_proofs, scenario_proof
from imgscan.optimize.settle import Settled
from imgscan.optimize.suggest import suggest
from imgscan.patches import PatchProof, ProofOutcome
from imgscan.report.compared import change_text
from imgscan.report.patches import seconds_figure

DOCKERFILE = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
FILES: dict[str, str | int] = {"package.json": "{}", "package-lock.json": "{}", "src/index.js": "x"}
TIMED = Comparison(
    scenario="touch-source",
    touched="src/index.js",
    before_s=(9.0, 8.0, 8.5),
    after_s=(1.0, 2.0, 1.25),
    steps_run_before=2,
    steps_run_after=1,
    steps_total=4,
    steps_total_before=3,
)
PROOF = Proof(
    checks=(Check(name="it builds", ok=True, detail="9.0 s cold"),),
    comparisons=(TIMED,),
    nondeterministic=("/a",),
    nondeterministic_count=3,
    left_out=("/b",),
    left_out_count=2,
    files_compared=7,
)
FAILED = Proof(checks=(Check(name="it builds", ok=False, detail="exit code: 1"),))


def text_of(plan: Plan) -> str:
    return plan.dockerfile_text


def told(settled: Settled, *, asked: bool = True) -> list[PatchProof]:
    inputs = settled.plan.inputs
    made = patch_proofs(settled, lambda out: suggest(inputs, excluded=out), text_of, asked=asked)
    return list(made)


def test_a_scenario_has_medians_spreads_and_cached_steps_of_both_sides() -> None:
    made = scenario_proof(TIMED)
    assert (made.before.median_s, made.before.spread_s, made.after.median_s, made.after.spread_s) == (8.5, 1, 1.25, 1)
    assert (made.before.steps_cached, made.before.steps_total) == (1, 3)
    assert (made.after.steps_cached, made.after.steps_total) == (3, 4)
    assert made.before.seconds == (9.0, 8.0, 8.5)


GAINS = [
    pytest.param((9.0, 8.0), (1.0, 1.0), "8.5x", id="faster"),
    pytest.param((1.0, 1.0), (9.0, 8.0), "slower", id="slower"),
    pytest.param((9.0, 8.0), (8.0, 7.0), "none", id="inside the spread"),
    pytest.param((3.0,), (2.1,), "none", id="one run, less than a second"),
]


@pytest.mark.parametrize(("before", "after", "gain"), GAINS)
def test_words_and_report_agree_on_noise(before: tuple[float, ...], after: tuple[float, ...], gain: str) -> None:
    timed = replace(TIMED, before_s=before, after_s=after)
    assert gain_of(timed) == gain
    assert (change_text(seconds_figure(scenario_proof(timed))) == "~") is (gain == "none")


def test_what_is_proved_is_one_patch(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, DOCKERFILE, FILES)
    (one,) = told(Settled(plan=plan, proof=PROOF))
    assert (one.outcome, one.reason) == (ProofOutcome.PROVED, None)
    assert one.title == "2 changes in one patch"
    assert [(change.kind, change.file, change.line) for change in one.changes] == [
        ("split-manifests", "Dockerfile", 3),
        ("extend-ignore", ".dockerignore", None),
    ]
    assert one.patch == plan.dockerfile_text
    assert one.image is not None
    assert (one.image.paths, one.image.nondeterministic_count, one.image.left_out_count) == (7, 3, 2)
    assert one.scenarios == (scenario_proof(TIMED),)


UNPROVED = [
    pytest.param(False, "nothing was built: --prove builds before and after", id="not asked for"),
    pytest.param(True, "it was not built: it came up only when others had been withdrawn", id="left over"),
]


@pytest.mark.parametrize(("asked", "reason"), UNPROVED)
def test_what_was_not_built_is_not_proved(asked: bool, reason: str, tmp_path: Path) -> None:
    (one,) = told(Settled(plan=plan_of(tmp_path, DOCKERFILE, FILES)), asked=asked)
    assert (one.outcome, one.reason) == (ProofOutcome.NOT_PROVED, reason)
    assert (one.checks, one.scenarios, one.image) == ((), (), None)


def test_what_was_withdrawn_is_told_with_its_own_patch(tmp_path: Path) -> None:
    whole = plan_of(tmp_path, DOCKERFILE, FILES)
    split, ignore = whole.changes
    kept = suggest(whole.inputs, excluded={split.id})
    withdrawn = Withdrawal(change=split, reason=str(FAILED.reason), proof=FAILED)
    first, second = told(Settled(plan=kept, proof=PROOF, withdrawn=(withdrawn,)))
    assert (first.title, first.outcome) == (ignore.title, ProofOutcome.PROVED)
    assert (second.title, second.outcome) == (split.title, ProofOutcome.NOT_PROVED)
    assert second.reason == "it builds: exit code: 1"
    assert [check.ok for check in second.checks] == [False]
    assert second.image is None
    assert second.patch is not None
    assert "COPY package.json package-lock.json ./" in second.patch


def test_what_can_only_be_made_with_another_has_no_patch_of_its_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, DOCKERFILE, FILES)
    alone = Settled(plan=plan, proof=PROOF, withdrawn=(Withdrawal(change=plan.changes[0], reason="why"),))
    made = patch_proofs(alone, lambda out: plan, text_of, asked=True)
    assert [one.patch is None for one in made] == [False, True]
