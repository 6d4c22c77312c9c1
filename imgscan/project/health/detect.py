"""Deployment and health checks (OPS-001): every rule, over every service of every compose project.

In: the `Setup`. Out: findings. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgscan.model import Finding
from imgscan.project.health import loopback, order, presence, runtime, targets, texts, tools
from imgscan.project.scene import Scene, scenes_of
from imgscan.project.setup import Setup

_RULES: Final[tuple[Callable[[Scene], Iterator[Finding]], ...]] = (
    presence.detect,
    texts.detect,
    tools.detect,
    targets.detect,
    loopback.detect,
    runtime.detect,
    order.detect,
)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings of OPS-001."""
    for scene in scenes_of(setup):
        for rule in _RULES:
            yield from rule(scene)
