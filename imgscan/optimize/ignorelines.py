"""What the ignore file should keep out: history, caches and editors' files that copies bring, the Dockerfile itself.

In: a scene. Out: one change, and refusals for what a build may read. Nothing is left out that is a source, a setting or
built (`dist`, `target`), or that an instruction names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.detect.cache.calls import calls_of
from imgscan.detect.cache.noise import find_noise
from imgscan.detect.stages.producers import run_script
from imgscan.detect.stages.records import Transfer
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.lazyre import lazy_re
from imgscan.optimize.records import Change, Kind, Refusal
from imgscan.optimize.scene import Scene
from imgscan.project.githistory import history_use

_OWN: Final = lazy_re(
    r"dockerfile(?:\..*)?|.*\.dockerfile|containerfile|\.dockerignore|.*\.dockerignore", re.IGNORECASE
)
_NODE_MODULES: Final = "**/node_modules"
_MADE: Final = {"**/.venv": "python", "**/venv": "python", "**/__pycache__": "python"}


def ignore_changes(scene: Scene) -> Iterator[Change | Refusal]:
    """The change, if anything is to be kept out, and what had better not be."""
    copies = [t for t in _transfers(scene) if t.is_directory]
    lines: list[str] = []
    for pattern in _patterns(scene, copies):
        reason = _why_not(scene, pattern)
        if reason is None:
            lines.append(pattern)
        else:
            line = scene.line_of(copies[0].command)
            yield Refusal(kind=Kind.IGNORE, line=line, what=f"ignoring {pattern}", reason=reason)
    if not lines:
        return
    whole = any(not copy.source for copy in copies)
    if scene.inputs.ignore_text is None and whole:
        # A new file in the context must not become a new file in the image.
        lines += [name for name in (scene.inputs.ignore_file,) if name not in lines]
    yield Change(
        id=Kind.IGNORE.value,
        kind=Kind.IGNORE,
        line=scene.line_of(copies[0].command),
        title=f"keep out of the context what the build does not need: {', '.join(lines[:8])}",
        ignore_lines=tuple(lines),
        how=_how(scene, lines),
    )


def _how(scene: Scene, lines: list[str]) -> str:
    file, named = scene.inputs.ignore_file, ", ".join(lines)
    if scene.ignore_text is None:
        return f"Create {file} with a line for each of: {named}"
    return f"Add to {file}, below any `!` lines: {named}"


def _transfers(scene: Scene) -> Iterator[Transfer]:
    for view in scene.simulation.stages:
        if view.stage.index in scene.simulation.needed:
            mounts = (mount for run in view.runs for mount in run.mounted)
            yield from (t for t in (*view.transfers, *mounts) if t.from_stage is None and not t.opaque)


def _patterns(scene: Scene, copies: list[Transfer]) -> Iterator[str]:
    roots = {copy.source for copy in copies}
    for pile in find_noise(scene.simulation.index, roots):
        own = _OWN.fullmatch(pile.pattern) is not None
        if (pile.churning or own) and not scene.ignores(_probe(pile.pattern)):
            yield pile.pattern


def _probe(pattern: str) -> str:
    """A path that the pattern is for, deep enough for a line that only fits the root not to count."""
    return pattern.replace("**/", "some/folder/", 1).replace("*", "x") if "**/" in pattern else pattern


def _why_not(scene: Scene, pattern: str) -> str | None:
    """Why a path must stay in the context; None if it need not."""
    alone = parse_ignore(pattern)
    for transfer in _transfers(scene):
        if transfer.source and is_ignored(alone, transfer.source):
            return f"line {scene.line_of(transfer.command)} copies {transfer.source}"
    runs = [run for at in scene.simulation.needed for run in scene.simulation.stages[at].runs]
    name = posixpath.basename(pattern)
    named = next((run for run in runs if name in run_script(run.command) and not name.startswith("*")), None)
    if named is not None and pattern != _NODE_MODULES:
        return f"line {scene.line_of(named.command)} names {name}"
    if pattern == "**/.git":
        return history_use(scene.simulation, scene.reader, scene.line_of)
    if pattern == _NODE_MODULES and not any(c.ecosystem == "node" for run in runs for c in calls_of(run)):
        return "no install makes node_modules anew"
    ecosystem = _MADE.get(pattern)
    if (
        ecosystem
        and pattern != "**/__pycache__"
        and not any(c.ecosystem == ecosystem for r in runs for c in calls_of(r))
    ):
        return f"no install makes {name} anew"
    return None
