"""Findings put together: what is said once is not said again."""

from __future__ import annotations

import pytest

from imgscan.assess import without_doubles
from imgscan.model import Evidence, Finding, Location, Place, SourceLine
from imgscan.rulebook import make_finding


def of(rule_id: str, place: Place, path: str, line: int | None) -> Finding:
    dockerfile = SourceLine(file="Dockerfile", line=line) if line else None
    location = Location(place=place, path=path, dockerfile=dockerfile)
    return make_finding(rule_id, message="m", location=location, evidence=Evidence.DERIVED, identity=(path, str(line)))


HISTORY = of("context-git-directory", Place.CONTEXT, ".git", 7)
TABLE = [
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/srv/.git", 7)], 1, id="came-with-that-copy"),
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/srv/.git", 9)], 2, id="came-with-another-step"),
    pytest.param([HISTORY, of("layer-left-behind-cache", Place.FILE, "/root/.m2", 7)], 2, id="another-cache"),
    pytest.param([of("layer-left-behind-cache", Place.FILE, "/srv/.git", 7)], 1, id="of-an-image-alone"),
    pytest.param([HISTORY, HISTORY], 1, id="the-same"),
]


@pytest.mark.parametrize(("findings", "count"), TABLE)
def test_the_history_is_told_once(findings: list[Finding], count: int) -> None:
    assert len(without_doubles(findings)) == count
