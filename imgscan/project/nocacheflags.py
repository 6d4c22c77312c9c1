"""Scripts that build without the cache: `cache-no-cache-flag`. In: a `Setup`. Out: findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.model import Evidence, Finding, Location, Place
from imgscan.project.setup import Setup
from imgscan.project.shell.records import Call
from imgscan.rulebook import make_finding

_ENGINES: Final = frozenset({"docker", "docker-compose", "podman", "podman-compose", "nerdctl", "buildah"})
_VERBS: Final = frozenset({"build", "bake", "bud"})


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, one for each text of shell and line."""
    for shell in setup.shells:
        for call in shell.calls:
            words = [word.text or "" for word in call.words]
            if not _builds(call, words) or "--no-cache" not in words:
                continue
            yield make_finding(
                "cache-no-cache-flag",
                message=f"{shell.file} builds with --no-cache: every step runs every time.",
                location=Location(place=Place.SCRIPT, path=shell.file, line=call.line),
                evidence=Evidence.PATTERN,
                identity=(shell.file, shell.name, " ".join(words)),
            )


def _builds(call: Call, words: list[str]) -> bool:
    return bool(call.words) and words[0].rpartition("/")[2] in _ENGINES and not _VERBS.isdisjoint(words)
