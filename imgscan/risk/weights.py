"""What the assessors of the register share: the facts they are given, the weight they give, what is asked of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final

from imgscan.frozen import frozen
from imgscan.model import BuildInfo, CacheMetrics, Evidence, Finding, Severity, Timing
from imgscan.rulebook import load_rules

if TYPE_CHECKING:
    from imgscan.project.stakes import Stakes

STRONG: Final = frozenset({Evidence.DERIVED, Evidence.OBSERVED, Evidence.PROVEN})
"""Kinds of evidence that show the failure itself; the others show that a guard is missing or a text is suspicious."""

NOT_LOOKED_AT: Final = "the project's own files were not looked at"
NO_COMPOSE: Final = "there is no compose file"


@frozen
class Facts:
    """What the register weighs. `timings`, where there is no build, are those that `cache` rests on. `image_scanned`:
    an image was looked at, and completely; `secrets_sought`: somebody looked for them, there or elsewhere. `accepted`
    findings make nothing likelier, but keep the controls from being called verified. `stakes`: what the project's own
    files say is at stake, None if nobody looked; `dockerfile`: one was read. `verified` are the risks whose every run
    showed the controls to hold."""

    findings: Sequence[Finding]
    build: BuildInfo | None
    cache: CacheMetrics | None
    image_scanned: bool
    timings: Sequence[Timing] = ()
    accepted: Sequence[Finding] = ()
    stakes: Stakes | None = None
    dockerfile: bool = True
    secrets_sought: bool = True
    verified: frozenset[str] = field(default=frozenset())


@frozen
class Weight:
    """Probability and impact (1..3) with the sentence that explains them and the findings behind them."""

    probability: int
    impact: int
    because: str
    evidence: tuple[Finding, ...] = ()
    verified: bool = False


@frozen
class NotApplicable:
    """A risk that this project cannot have, and why."""

    why: str


Assessor = Callable[[Facts], Weight | NotApplicable]


def counted(facts: Facts, risk_id: str) -> tuple[Finding, ...]:
    """The findings of a risk that count: those of medium severity and above."""
    return tuple(f for f in facts.findings if f.risk_id == risk_id and f.severity.rank >= Severity.MEDIUM.rank)


def minor(facts: Facts, risk_id: str) -> tuple[Finding, ...]:
    """The findings of a risk that do not count, the worst first: they make it no likelier, but while there are any,
    nothing may be said of all services, stages or files."""
    mine = [f for f in facts.findings if f.risk_id == risk_id and f.severity.rank < Severity.MEDIUM.rank]
    return tuple(sorted(mine, key=lambda f: -f.severity.rank))


def accepted_count(facts: Facts, risk_id: str) -> int:
    """How many findings of a risk would be told of if they were not accepted."""
    return sum(1 for f in facts.accepted if f.risk_id == risk_id)


def cites(finding: Finding, *checks: str) -> bool:
    """Whether the rule of a finding makes one of these checks of the catalogue (`DATA-001-02`)."""
    rule = load_rules().get(finding.rule_id)
    return rule is not None and not frozenset(checks).isdisjoint(rule.cites)


def strong(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that show the failure itself."""
    return tuple(f for f in findings if f.evidence in STRONG)


def proven(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that a run showed."""
    return tuple(f for f in findings if f.evidence is Evidence.PROVEN)


def number(items: Sequence[object], noun: str) -> str:
    """`1 service`, `2 services`."""
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"


def sentence(message: str) -> str:
    """A message as the end of another sentence."""
    return " ".join(message.split()).rstrip(".")


def quiet(facts: Facts, risk_id: str, impact: int, because: str) -> Weight:
    """The weight of a risk that nothing grave speaks for: verified if a run showed it and nothing had to be accepted.
    `because` is said only where there is no finding at all."""
    accepted, small = accepted_count(facts, risk_id), minor(facts, risk_id)
    if small:
        what = "a minor point only" if len(small) == 1 else f"{len(small)} minor points only, the first"
        because = f"{what}: {sentence(small[0].message)}"
    elif accepted:
        which = "finding" if accepted == 1 else "findings"
        because = f"nothing but {accepted} accepted {which}"
    verified = risk_id in facts.verified and not accepted
    return Weight(probability=1, impact=impact, because=because, evidence=small, verified=verified)
