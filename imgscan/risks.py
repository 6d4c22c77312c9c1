"""The nouns of the risk register: a risk with its figures, who answers for it, the totals.

Part of the report, hence serialisable by msgspec (see `model`). Probability and impact are 1..3, scores their product.
"""

from __future__ import annotations

from imgscan.frozen import frozen


@frozen
class Waiver:
    """Who answers for a risk although it is not mitigated, why, and until when (an ISO date, inclusive)."""

    owner: str
    reason: str
    expires: str


@frozen
class Risk:
    """One line of the risk register.

    `inherent_*` are the catalogue's figures, before any evidence. `probability`, `impact`, `score` and `priority` are
    the residual ones: what the evidence says is left with the controls that are there. `evidence` holds fingerprints of
    findings, `because` the sentence that explains the figures, `verified` says that a run showed the controls to hold.
    `steps` are what these findings ask for, the worst first (their patches are in `Finding.fix`), `mitigation` is what
    keeps the risk away in general, `verify_by` the command that shows it. A risk that does not apply says why
    (`not_applicable`), and its residual figures are 1.
    """

    id: str
    description: str
    category: str
    probability: int
    impact: int
    score: int
    priority: str
    evidence: tuple[str, ...]
    mitigation: str
    verified: bool
    because: str
    inherent_probability: int
    inherent_impact: int
    inherent_score: int
    inherent_priority: str = ""
    applies: bool = True
    not_applicable: str | None = None
    steps: tuple[str, ...] = ()
    verify_by: str = ""
    waiver: Waiver | None = None


@frozen
class RiskCounts:
    """How many risks there are, in all and by priority."""

    identified: int
    critical: int
    high: int
    medium: int
    low: int


@frozen
class RiskSummary:
    """The register in short. `inherent` counts the catalogue's figures of the risks that apply, `residual` those of the
    evidence; `recommendation` is a sentence or two for whoever decides."""

    inherent: RiskCounts
    residual: RiskCounts
    not_applicable: int
    waived: int
    recommendation: str
