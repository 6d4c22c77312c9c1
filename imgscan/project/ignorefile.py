"""The ignore file against the context: `context-ignore-misses` (with a patch), `context-no-ignore-file`.

In: context, simulation, the secret files that reach the engine. Out: findings.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.ignoregaps import Gap, Shadow, root_anchored, shadowed
from imgscan.detect.stages.records import Simulation
from imgscan.dockerfile.ignore import IgnorePattern, IgnoreRules
from imgscan.model import Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.contextread import ContextReader
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

_NAMED: Final = 6
_IGNORE_BYTES: Final = 1 << 20
# Folders that nobody wants in a context; their presence is what makes a missing ignore file worse.
_BALLAST: Final = (".git", "node_modules", ".venv", "venv", "__pycache__", "dist", "coverage", ".next", "target")


def detect_ignore_file(context: BuildContext, simulation: Simulation, secrets: Sequence[str]) -> Iterator[Finding]:
    """The findings; `secrets` are the secret files that reach the engine."""
    if context.rules is None:
        yield from _no_ignore_file(context, simulation, secrets)
        return
    file = context.rules.file or ".dockerignore"
    wanted = frozenset(secrets)
    text = ContextReader(context).text_beside(file, _IGNORE_BYTES)
    for gap in root_anchored(context.rules, secrets):
        paths = [path for path in gap.paths if path in wanted]
        if paths:
            yield _misses(file, gap, paths, _patch(text, file, context.rules, gap.pattern))
    for shadow in shadowed(context.rules, secrets):
        yield _undone(file, shadow, [path for path in shadow.paths if path in wanted] or list(shadow.paths))


def _misses(file: str, gap: Gap, paths: Sequence[str], patch: str | None) -> Finding:
    text = gap.pattern.text
    ignore_line = Location(place=Place.CONTEXT, path=file, line=gap.pattern.line)
    places = tuple(Location(place=Place.CONTEXT, path=path) for path in paths)
    return make_finding(
        "context-ignore-misses",
        message=(
            f"line {gap.pattern.line} of {file} ({text}) keeps out the root's only: {_listed(paths)} "
            f"{'reaches' if len(paths) == 1 else 'reach'} the build."
        ),
        location=places[0],
        places=(*places, ignore_line),
        evidence=Evidence.DERIVED,
        identity=(file, text),
        fix=Fix(text=f"Write `**/{text}` in line {gap.pattern.line} of {file}.", patch=patch),
    )


def _undone(file: str, shadow: Shadow, paths: Sequence[str]) -> Finding:
    places = tuple(Location(place=Place.CONTEXT, path=path) for path in paths)
    return make_finding(
        "context-ignore-misses",
        message=(
            f"line {shadow.pattern.line} of {file} ({shadow.pattern.text}) is undone by line {shadow.by.line} "
            f"(!{shadow.by.text}): {_listed(paths)} {'reaches' if len(paths) == 1 else 'reach'} the build."
        ),
        location=places[0],
        places=(*places, Location(place=Place.CONTEXT, path=file, line=shadow.pattern.line)),
        evidence=Evidence.DERIVED,
        identity=(file, shadow.pattern.text, shadow.by.text),
        fix=Fix(text=f"Move line {shadow.pattern.line} of {file} below line {shadow.by.line}: the last match wins."),
    )


def _patch(text: str | None, file: str, rules: IgnoreRules, pattern: IgnorePattern) -> str | None:
    """The line with `**/` in front, and the `!` lines below it that take something of the same name back, too."""
    if text is None:
        return None
    lines = text.split("\n")
    changed = list(lines)
    _prefix_line(changed, pattern)
    for later in rules.patterns:
        takes_back = later.negated and later.line > pattern.line and "/" not in later.text
        if takes_back and _same_family(pattern.text, later.text):
            _prefix_line(changed, later)
    if changed == lines:
        return None
    name = file.lstrip("/")
    return "".join(difflib.unified_diff(_with_ends(lines), _with_ends(changed), f"a/{name}", f"b/{name}", n=3)).replace(
        "\n\\ No", "\n\\ No"
    )


def _prefix_line(lines: list[str], pattern: IgnorePattern) -> None:
    at = pattern.line - 1
    if 0 <= at < len(lines) and pattern.text in lines[at]:
        lines[at] = lines[at].replace(pattern.text, f"**/{pattern.text}", 1)


def _with_ends(lines: Sequence[str]) -> list[str]:
    """The lines as `patch` wants them: each with its end, the last one with the marker when it has none."""
    whole = [line + "\n" for line in lines[:-1]]
    return [*whole, f"{lines[-1]}\n\\ No newline at end of file\n"] if lines[-1] else whole


def _same_family(pattern: str, negated: str) -> bool:
    """Whether a `!` line takes back some of what a pattern excludes: `.env.*` and `!.env.example`."""
    stem = pattern.split("*", 1)[0].rstrip(".")
    return bool(stem) and negated.startswith(stem)


def _no_ignore_file(context: BuildContext, simulation: Simulation, secrets: Sequence[str]) -> Iterator[Finding]:
    copies = [t for view in simulation.stages for t in view.transfers if t.from_stage is None and not t.opaque]
    if not copies:
        return
    index = simulation.index
    names = {posixpath.basename(folder) for folder in index.folders}
    ballast = [name for name in _BALLAST if name in names]
    whole = any(t.is_directory and not t.source for t in copies)
    # What gets in for want of it has findings of its own: this one is the cause, and no worse than they are.
    severity = Severity.LOW if secrets or ballast or whole else Severity.INFO
    there = [*ballast, *secrets]
    reach = f", among them {_listed(there)}" if there else ""
    files = f"{len(index.paths)} {'file' if len(index.paths) == 1 else 'files'}"
    yield make_finding(
        "context-no-ignore-file",
        message=f"there is no .dockerignore: nothing is excluded from the context of {files}{reach}.",
        location=Location(place=Place.CONTEXT, path=".dockerignore"),
        evidence=Evidence.ABSENT,
        identity=(".dockerignore",),
        severity=severity,
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
