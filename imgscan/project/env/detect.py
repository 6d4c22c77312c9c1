"""Variables and compose files (CONFIG-001): every rule over every compose project. In: the `Setup`. Out: findings.

A place that several projects share is told once. A project without compose files has none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgscan.model import Finding
from imgscan.project.env.agreement import detect_agreement
from imgscan.project.env.composefiles import detect_compose_problems
from imgscan.project.env.envfiles import detect_missing, detect_texts
from imgscan.project.env.examples import detect_examples, detect_unused
from imgscan.project.env.facts import Facts, facts_of
from imgscan.project.env.services import detect_services
from imgscan.project.setup import Setup

_RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    detect_compose_problems,
    detect_examples,
    detect_unused,
    detect_missing,
    detect_services,
    detect_agreement,
)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, each once."""
    told: set[str] = set()
    for finding in _all(setup):
        if finding.fingerprint not in told:
            told.add(finding.fingerprint)
            yield finding


def _all(setup: Setup) -> Iterator[Finding]:
    if not setup.composes:
        return
    for facts in facts_of(setup):
        for rule in _RULES:
            yield from rule(facts)
    yield from detect_texts(setup)
