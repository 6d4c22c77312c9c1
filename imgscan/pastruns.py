"""The nouns of a target's past: its runs with their figures, and what a run was to those before it."""

from __future__ import annotations

from imgscan.frozen import frozen
from imgscan.model import Finding


@frozen
class GoneFinding:
    """A finding as the history keeps it."""

    fingerprint: str
    rule_id: str
    severity: str
    message: str


@frozen
class Recorded:
    """What a run was to those before it. `first`: there was none. `gone` are the ids of findings that were there the
    last time and are not now; nothing goes by a run that did not look at everything."""

    run: int
    first: bool
    new: tuple[Finding, ...]
    gone: tuple[GoneFinding, ...]
    standing: int


@frozen
class Run:
    """A run of the past: `recorded_at` is an ISO time in UTC, `figures` by key."""

    id: int
    recorded_at: str
    verdict: str
    complete: bool
    label: str | None
    figures: dict[str, float]
