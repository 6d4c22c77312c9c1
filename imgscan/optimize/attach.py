"""Findings of the cache family -> the same with a patch where one can be made. Nothing is built for it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from imgscan.diff import FileChange, diff_without
from imgscan.dockerfile.locate import read_regular_file
from imgscan.dockerfile.parse import parse
from imgscan.errors import InputError
from imgscan.model import Finding, Place
from imgscan.optimize.records import Inputs, Kind, Plan
from imgscan.optimize.suggest import suggest

_MOST_BYTES: Final = 4 << 20
_KINDS: Final = {
    "cache-copy-before-install": Kind.SPLIT,
    "cache-volatile-arg": Kind.VOLATILE,
    "cache-broad-copy": Kind.IGNORE,
    "cache-apt-update-alone": Kind.APT,
    "cache-no-mount": Kind.MOUNT,
}


def with_patches(
    findings: Iterable[Finding], inputs: Inputs, is_secret: Callable[[str], bool] = lambda text: False
) -> Iterator[Finding]:
    """The findings in their order. `inputs.dockerfile` may have substituted base images: the patch is for the file on
    the disk. A patch that would show a secret is left out."""
    plans: dict[Kind, tuple[Plan, str | None]] = {}
    original = _as_on_disk(inputs)
    substituted = original is None or original.dockerfile.text != inputs.dockerfile.text
    for finding in findings:
        patch = finding.fix.patch
        if patch is not None and (is_secret(patch) or (substituted and finding.location.place is Place.DOCKERFILE)):
            yield replace(finding, fix=replace(finding.fix, patch=None))
            continue
        kind = _KINDS.get(finding.rule_id)
        if kind is None or finding.fix.patch is not None or original is None:
            yield finding
            continue
        if kind not in plans:
            plan = suggest(original, (kind,))
            plans[kind] = (plan, _diff(plan, is_secret) if plan.changes else None)
        plan, diff = plans[kind]
        meant = diff and any(change.line in _lines(finding) for change in plan.changes)
        yield replace(finding, fix=replace(finding.fix, patch=diff)) if meant else finding


def _lines(finding: Finding) -> frozenset[int | None]:
    """The lines of the Dockerfile that a finding speaks of."""
    places = (finding.location, *finding.places)
    return frozenset(line for p in places for line in (p.line, p.dockerfile.line if p.dockerfile else None) if line)


def _as_on_disk(inputs: Inputs) -> Inputs | None:
    """The inputs with the Dockerfile's own text; None where it cannot be read (any more)."""
    try:
        data = read_regular_file(inputs.context.dockerfile_path, _MOST_BYTES)
        return replace(inputs, dockerfile=parse(data, inputs.dockerfile.file))
    except (OSError, ValueError, InputError):
        return None


def _diff(plan: Plan, is_secret: Callable[[str], bool]) -> str | None:
    inputs = plan.inputs
    changes = (
        FileChange(path=inputs.dockerfile.file, before=inputs.dockerfile.text, after=plan.dockerfile_text),
        FileChange(
            path=posixpath.join(inputs.folder, inputs.ignore_file),
            before=inputs.ignore_text,
            after=plan.ignore_text or "",
        ),
    )
    return diff_without(tuple(change for change in changes if change.before or change.after), is_secret)
