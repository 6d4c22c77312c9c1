"""Findings of the cache family -> the same with a patch where one can be made. Nothing is built for it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from imgscan.diff import FileChange, diff_without, unified_diff
from imgscan.dockerfile.locate import read_regular_file
from imgscan.dockerfile.parse import parse
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Finding, Place
from imgscan.optimize.records import Inputs, Kind, Plan
from imgscan.optimize.suggest import suggest
from imgscan.patchmerge import overlap, patched_texts, with_merged_patches

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
    the disk. A patch that would show a secret is left out; those that could not be applied together become one."""
    findings = list(findings)
    original = _as_on_disk(inputs)
    substituted = original is None or original.dockerfile.text != inputs.dockerfile.text
    drafts = _drafts(original, findings, is_secret) if original is not None else {}
    found: list[Finding] = []
    for finding in findings:
        patch, kind = finding.fix.patch, _KINDS.get(finding.rule_id)
        if patch is not None and (is_secret(patch) or (substituted and finding.location.place is Place.DOCKERFILE)):
            finding = replace(finding, fix=replace(finding.fix, patch=None))
        elif patch is not None and inputs.folder:
            finding = replace(finding, fix=replace(finding.fix, patch=_placed(patch, inputs)))
        elif patch is None and kind in drafts:
            finding = _with_draft(finding, drafts[kind])
        found.append(finding)
    texts = _texts(original) if original is not None else {}
    yield from with_merged_patches(found, texts.get, is_secret)


def _placed(patch: str, inputs: Inputs) -> str:
    """A patch of the context's ignore file with its path as it is from the folder that patches are made for."""
    after = patched_texts(patch, {inputs.ignore_file: inputs.ignore_text})
    if after is None:
        return patch
    text = after[inputs.ignore_file]
    return unified_diff((FileChange(path=_ignore_path(inputs), before=inputs.ignore_text, after=text),))


@frozen
class _Draft:
    """What is to be changed for one kind of finding, and the patch; None where it would show a secret."""

    plan: Plan
    patch: str | None


def _drafts(inputs: Inputs, findings: Sequence[Finding], is_secret: Callable[[str], bool]) -> dict[Kind | None, _Draft]:
    """One for each kind. Where the changes of several kinds are to the same lines, all of them are made in one patch,
    which is planned as a whole."""
    wanted = dict.fromkeys(_KINDS[f.rule_id] for f in findings if f.rule_id in _KINDS and f.fix.patch is None)
    plans = {kind: suggest(inputs, (kind,)) for kind in wanted}
    patches = {kind: _diff(plan, is_secret) for kind, plan in plans.items() if plan.changes}
    texts = _texts(inputs)
    groups: list[list[Kind]] = []
    for kind, patch in patches.items():
        near = [g for g in groups if patch and any(overlap(patch, patches[other] or "", texts) for other in g)]
        groups = [*(g for g in groups if g not in near), [*(other for g in near for other in g), kind]]
    for group in groups:
        together = _diff(suggest(inputs, group), is_secret) if len(group) > 1 else None
        patches.update(dict.fromkeys(group, together) if together else {})
    return {kind: _Draft(plan=plans[kind], patch=patch) for kind, patch in patches.items()}


def _with_draft(finding: Finding, draft: _Draft) -> Finding:
    """The finding with the patch, if that is of its lines, and told what it does."""
    meant = [change for change in draft.plan.changes if change.line in _lines(finding)]
    if not meant:
        return finding
    how = " ".join(change.how for change in meant)
    return replace(finding, fix=replace(finding.fix, text=how.strip() or finding.fix.text, patch=draft.patch))


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


def _texts(inputs: Inputs) -> dict[str, str | None]:
    """The files that the patches are for."""
    return {inputs.dockerfile.file: inputs.dockerfile.text, _ignore_path(inputs): inputs.ignore_text}


def _ignore_path(inputs: Inputs) -> str:
    return posixpath.join(inputs.folder, inputs.ignore_file)


def _diff(plan: Plan, is_secret: Callable[[str], bool]) -> str | None:
    inputs = plan.inputs
    changes = (
        FileChange(path=inputs.dockerfile.file, before=inputs.dockerfile.text, after=plan.dockerfile_text),
        FileChange(
            path=_ignore_path(inputs),
            before=inputs.ignore_text,
            after=plan.ignore_text or "",
        ),
    )
    return diff_without(tuple(change for change in changes if change.before or change.after), is_secret)
