"""Connections between services that cannot work, or work by luck (TECH-002): every rule over every edge.

In: the `Setup`. Out: findings. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgscan.model import Finding
from imgscan.project.network import hosts, ports, reach
from imgscan.project.network.view import View, view_of
from imgscan.project.scene import scenes_of
from imgscan.project.setup import Setup

_RULES: Final[tuple[Callable[[View], Iterator[Finding]], ...]] = (hosts.detect, ports.detect, reach.detect)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings of TECH-002."""
    scenes = list(scenes_of(setup))
    for project in setup.composes:
        view = view_of(setup, project, [scene for scene in scenes if scene.project is project])
        for rule in _RULES:
            yield from rule(view)
