"""DATA-001 on the project's own files. In: a `Setup`. Out: the findings of every rule of rules/data.yml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from imgscan.project.data import backups, binds, commands, external, volumes, wrappers

if TYPE_CHECKING:
    from imgscan.model import Finding
    from imgscan.project.setup import Setup

_DETECTORS: Final[tuple[Callable[[Setup], Iterator[Finding]], ...]] = (
    volumes.detect,
    external.detect,
    binds.detect,
    commands.detect,
    wrappers.detect,
    backups.detect,
)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, rule by rule; none for a project without compose."""
    if setup.composes:
        for one in _DETECTORS:
            yield from one(setup)
