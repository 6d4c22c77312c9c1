"""Health checks that call a program which their image surely lacks (OPS-001-12; -04 is observed on the image). Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.health.bases import base_kind, lacks
from imgscan.project.health.checks import Check, probes_of
from imgscan.project.health.presence import http_test
from imgscan.project.mend import patch_of
from imgscan.project.scene import Scene
from imgscan.rulebook import make_finding

_LOOKED_FOR: Final = frozenset({"curl", "wget", "nc", "ncat"})


def detect(scene: Scene) -> Iterator[Finding]:
    """The findings for one service."""
    check = scene.check
    if check is None:
        return
    missing = _missing(scene, check)
    if missing is None:
        return
    base = scene.image.base or ""
    kind = base_kind(scene.image)
    what = f"{base} ({kind})" if kind and kind not in base else base
    yield make_finding(
        "ops-health-tool-unavailable",
        message=(
            f"the health check of {scene.name} runs {missing}, which {what} does not have and nothing installs: "
            "it never asks anything."
        ),
        location=check.location,
        evidence=Evidence.DERIVED,
        identity=(*scene.identity, missing),
        fix=_fix(scene, check, missing),
    )


def _missing(scene: Scene, check: Check) -> str | None:
    if check.script is not None and lacks(scene.image, "sh"):
        return "a shell"
    for command in check.commands:
        program = posixpath.basename(command.words[0]) if command.words else ""
        if program in _LOOKED_FOR and lacks(scene.image, program):
            return program
    return None


def _fix(scene: Scene, check: Check, missing: str) -> Fix:
    probe = next((probe for probe in probes_of(check) if probe.port and probe.path), None)
    test = http_test(scene, f"http://127.0.0.1:{probe.port}{probe.path}") if probe else None
    if test is None or probe is None:
        return Fix(text=f"Use a program that the image has in place of {missing}, or install it.")
    patch = None
    if check.mark is not None:
        quoted = test.replace("'", "''")
        text = (scene.setup.tree.text(check.mark.file) or "")[check.mark.start : check.mark.end]
        if "\n" not in text:
            edit = Edit(start=check.mark.start, end=check.mark.end, text=f"['CMD-SHELL', '{quoted}']")
            patch = patch_of(scene.setup, check.mark.file, [edit])
    return Fix(text=f"Ask with what the image has: `{test}`.", patch=patch)
