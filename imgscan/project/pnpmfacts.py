"""What is known of pnpm in a stage: its version, its settings, its lockfile. In: the project, an install. Out: facts.

Settings stand in pnpm-workspace.yaml, in `pnpm` of the root's package.json, and up to pnpm 10 in .npmrc.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import RunStep
from imgscan.detect.stages.stagesim import chain
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.manifests import WORKSPACE_FILE, Package, Workspace, load_mapping
from imgscan.project.sites import Project

LOCKFILE: Final = "pnpm-lock.yaml"
_LOCK_BYTES: Final = 16 << 20
_HEAD_BYTES: Final = 2 << 20
_DOCUMENT: Final = lazy_re(r"^---[ \t]*\r?$", re.MULTILINE)
_BODY: Final = lazy_re(r"^(?:packages|snapshots):", re.MULTILINE)
_VERSION: Final = lazy_re(r"(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?:[-+].*)?")
_MANAGERS: Final = ("pnpm", "yarn", "npm")
_SCOPED: Final = lazy_re(r"\$(?:(\w+)|\{(\w+)\})")


@frozen
class Installed:
    """A package manager that a RUN puts in place. `version` as written, with variables replaced: empty without one,
    None where it is not known."""

    run: RunStep
    manager: str
    version: str | None
    by: str


def installed_managers(project: Project, stage: int, before: int | None = None) -> Iterator[Installed]:
    """Those of a stage and of the stages it is FROM, the latest first; `before`: above that instruction only."""
    for at in chain(project.simulation, stage):
        for run in reversed(project.simulation.stages[at].runs):
            if at == stage and before is not None and run.command.instruction.ordinal >= before:
                continue
            yield from _installed_by(run)


def _installed_by(run: RunStep) -> Iterator[Installed]:
    for simple, _ in located_commands(run.command, run.cwd):
        words = simple.words
        program = posixpath.basename(words[0]) if words else ""
        corepack = program == "corepack" and len(words) > 2 and words[1] in ("prepare", "install", "use")
        globally = program == "npm" and not {"-g", "--global", "--location=global"}.isdisjoint(words)
        if not corepack and not (globally and not {"install", "i", "add"}.isdisjoint(words)):
            continue
        for word in words[2:] if corepack else words[1:]:
            name, _, version = word.partition("@")
            if name in _MANAGERS and (corepack or name != "npm"):
                yield Installed(run=run, manager=name, version=_expanded(version, run), by=program)


def _expanded(text: str, run: RunStep) -> str | None:
    known = _SCOPED.sub(lambda m: run.scope.get(m[1] or m[2], "$"), text)
    return None if "$" in known else known


def version_of(text: str | None) -> tuple[int, ...] | None:
    """`10.34.9` as numbers, as many as are given; None for a tag or a range."""
    match = _VERSION.fullmatch((text or "").strip().removeprefix("v"))
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def pnpm_version(project: Project, stage: int, package: Package | None) -> tuple[int, ...] | None:
    """The version that runs in a stage: what `packageManager` declares, to which pnpm 10 and later switch by
    themselves, else the one that is installed there."""
    declared = package.package_manager if package else ""
    if declared.startswith("pnpm@"):
        return version_of(declared.removeprefix("pnpm@"))
    for installed in installed_managers(project, stage):
        if installed.manager == "pnpm":
            return version_of(installed.version)
    return None


def settings_of(project: Project, workspace: Workspace) -> Mapping[str, Any]:
    """The settings of a workspace by their names in pnpm-workspace.yaml."""
    text = project.reader.text_beside(posixpath.join(workspace.root, WORKSPACE_FILE))
    from_manifest = workspace.package.pnpm if workspace.package else {}
    return {**from_manifest, **load_mapping(text)}


def npmrc_of(project: Project, root: str) -> Mapping[str, str]:
    """The settings of the root's .npmrc, as far as it reaches the engine."""
    text = project.reader.text(posixpath.join(root, ".npmrc")) or ""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def lock_head(project: Project, root: str) -> Mapping[str, Any]:
    """Settings and importers of a workspace's pnpm-lock.yaml: what stands above its packages. Empty if there is none,
    or it is larger than anybody's.

    pnpm 11 writes two documents; the first is about pnpm itself (`packageManagerDependencies`).
    """
    text = _DOCUMENT.split(lock_text(project, root))[-1]
    body = _BODY.search(text)
    head = text[: body.start()] if body else text
    return load_mapping(head) if len(head) <= _HEAD_BYTES else {}


def lock_text(project: Project, root: str) -> str:
    """The text of a workspace's pnpm-lock.yaml, empty if there is none."""
    return project.reader.text(posixpath.join(root, LOCKFILE), _LOCK_BYTES) or ""
