"""The detectors of the container set-up, by the risk that they are about. In: `Setup`. Out: findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imgscan.model import Finding
    from imgscan.project.setup import Setup

SETUP_DETECTORS: Final[dict[str, tuple[str, ...]]] = {
    "DATA-001": ("imgscan.project.data.detect:detect",),
    "OPS-001": ("imgscan.project.health.detect:detect",),
    "TECH-001": ("imgscan.project.bindmodules:detect",),
    "SEC-001": ("imgscan.project.exposure.composevalues:detect", "imgscan.project.exposure.tracked:detect"),
    "PERF-001": ("imgscan.project.nocacheflags:detect",),
    "CONFIG-001": ("imgscan.project.env.detect:detect",),
    "TECH-002": ("imgscan.project.network.detect:detect",),
    "OPS-003": ("imgscan.project.backup.detect:detect",),
}
"""`module:function` of each; a function takes a `Setup` and gives findings."""


def setup_findings(setup: Setup) -> Iterator[Finding]:
    """What every detector says, in the order of the catalogue."""
    for names in SETUP_DETECTORS.values():
        for name in names:
            module, _, function = name.partition(":")
            detect: Callable[[Setup], Iterator[Finding]] = getattr(import_module(module), function)
            yield from detect(setup)
