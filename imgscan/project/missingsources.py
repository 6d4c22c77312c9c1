"""Instructions that name a path which the context does not have (`context-copy-missing`): the build stops there.

In: the context and the simulated stages. Out: one finding for each instruction. What is made before the build (`dist`,
a jar) may only not be there yet.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import Simulation
from imgscan.dockerfile.tree import Command
from imgscan.escape import plain, shorten
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.project.contextread import ContextReader
from imgscan.project.ignorepatch import ignore_file_of
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

RULE: Final = "context-copy-missing"
_NAMED: Final = 5
_WIDTH: Final = 80
_BUILT: Final = lazy_re(
    r"(?:dist|build|target|out|output|bin|obj|publish|release|artifacts?|public|_site|\.next|\.output|node_modules|vendor)"
    r"|.*\.(?:jar|war|ear|whl|deb|rpm|apk|tgz|tar\.gz|zip|so|exe|wasm)"
)


def detect_missing(simulation: Simulation, context: BuildContext) -> Iterator[Finding]:
    """The findings, in the order of the instructions, of the stages that are built."""
    unread = {item.where for item in context.skipped}
    made = _gitignored_names(context)
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        missing: dict[int, tuple[Command, list[str]]] = {}
        for command, path in view.missing:
            if path not in unread:
                missing.setdefault(command.start, (command, []))[1].append(path)
        for command, paths in missing.values():
            yield _finding(command, list(dict.fromkeys(paths)), context, made)


def _gitignored_names(context: BuildContext) -> frozenset[str]:
    """The plain names that the repository does not keep: what has one of them is made by somebody."""
    lines = (ContextReader(context).text_beside(".gitignore") or "").splitlines()
    return frozenset(name for line in lines if (name := line.strip().strip("/")) and "/" not in name)


def _finding(command: Command, paths: Sequence[str], context: BuildContext, made: frozenset[str]) -> Finding:
    line = command.instruction.line
    ignored = [path for path in paths if _is_ignored(path, context)]
    gone = [path for path in paths if path not in ignored]
    later = not ignored and all(_is_made(path, made) for path in gone)
    parts = [f"{_listed(gone)} {_is(gone)} not in the build context"] if gone else []
    parts += [f"{_listed(ignored)} {_is(ignored)} kept out by {ignore_file_of(context)}"] if ignored else []
    ending = "the build stops there unless something makes it first" if later else "the build stops there"
    return make_finding(
        RULE,
        message=f"line {line} ({shorten(command.instruction.text, _WIDTH)}): {' and '.join(parts)}: {ending}.",
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, command.instruction.text),
        severity=Severity.LOW if later else None,
        confidence=Confidence.LOW if later else None,
        fix=_fix(line, gone, ignored, ignore_file_of(context), later=later),
    )


def _fix(line: int, gone: Sequence[str], ignored: Sequence[str], file: str, *, later: bool) -> Fix:
    if later:
        return Fix(text=f"Make {_listed(gone)} before the image is built, best in an earlier stage (`COPY --from`).")
    steps = []
    if gone:
        steps.append(
            f"Correct {_listed(gone)} in line {line} (paths begin at the context's root), or add what it names."
        )
    if ignored:
        lines = ", ".join(f"`!{plain(path)}`" for path in ignored[:_NAMED])
        steps.append(f"Add {lines} at the end of {file}, or do not copy it.")
    return Fix(text=" ".join(steps))


def _is_ignored(path: str, context: BuildContext) -> bool:
    """Whether it is there and left out; what lies in a folder that is left out as a whole counts as there."""
    return any(path == each or path.startswith(f"{each}/") for each in context.ignored)


def _is_made(path: str, made: frozenset[str]) -> bool:
    parts = path.split("/")
    return any(part in made for part in parts) or any(
        _BUILT.fullmatch(part) for part in (parts[0], posixpath.basename(path))
    )


def _is(paths: Sequence[str]) -> str:
    return "is" if len(paths) == 1 else "are"


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(plain(path) for path in paths[:_NAMED]) + more
