"""OPS-003 on the project's own files. In: a `Setup`. Out: the findings of every rule of rules/backup.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgscan.project.backup import dumps, keeping, names, restores
from imgscan.project.backup.jobs import find_jobs

if TYPE_CHECKING:
    from imgscan.model import Finding
    from imgscan.project.setup import Setup


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings; none for a project without compose."""
    if not setup.composes:
        return
    jobs = find_jobs(setup)
    seen: set[str] = set()
    for one in (dumps.detect, restores.detect, names.detect, keeping.detect):
        for finding in one(setup, jobs):
            if finding.fingerprint not in seen:
                seen.add(finding.fingerprint)
                yield finding
