"""Instructions that leave secrets behind: `context-copy-then-delete`, `context-secret-in-arg`.

In: the simulated stages, the secret files of the context. Out: findings. Of values only the names are ever shown.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import RunStep, Simulation, StageView, Transfer
from imgscan.detect.stages.stagesim import final_stages, transfers_before
from imgscan.detect.stages.walk import relative
from imgscan.detect.words import is_placeholder, is_secret_name
from imgscan.dockerfile.parse import Command
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.rulebook import make_finding

_NAMED: Final = 6
_REMOVERS: Final = frozenset({"rm", "shred", "unlink"})
_WILDCARD: Final = lazy_re(r"[*?\[]")
_MAX_COPIES: Final = 200
_MAX_GLOBS: Final = 50
_MAX_SECRETS: Final = 200


def detect_deletions(simulation: Simulation, secrets: Sequence[str]) -> Iterator[Finding]:
    """Secret files that one instruction of a shipped stage brings and a later one deletes."""
    for at in sorted(final_stages(simulation)):
        view = simulation.stages[at]
        for run in view.runs:
            removed = list(_removed(run))
            if removed:
                yield from _deletion(simulation, view, run, removed, secrets)


def _removed(run: RunStep) -> Iterator[str]:
    """The absolute paths, maybe with wildcards, that a RUN deletes."""
    for simple, folder in located_commands(run.command, run.cwd):
        program = posixpath.basename(simple.words[0]) if simple.words else ""
        if program not in _REMOVERS or folder is None:
            continue
        for word in simple.words[1:]:
            if not word.startswith("-") and "$" not in word:
                yield posixpath.normpath(posixpath.join(folder, word))


def _deletion(
    simulation: Simulation, view: StageView, run: RunStep, removed: Sequence[str], secrets: Sequence[str]
) -> Iterator[Finding]:
    ordinal = run.command.instruction.ordinal
    before = list(islice(transfers_before(simulation, view.stage.index, ordinal), _MAX_COPIES))
    literal = frozenset(path for path in removed if not _WILDCARD.search(path))
    globs = [path for path in removed if _WILDCARD.search(path)][:_MAX_GLOBS]
    found: dict[str, Transfer] = {}
    for secret in secrets[:_MAX_SECRETS]:
        for transfer in before:
            landed = _landed(transfer, secret)
            if landed is not None and (_is_inside(landed, literal) or any(_matches(glob, landed) for glob in globs)):
                found.setdefault(secret, transfer)
    if not found:
        return
    command, copies = run.command, list(dict.fromkeys(t.command for t in found.values()))
    paths = sorted(found)
    lines = sorted({c.instruction.line for c in copies})
    copied, where = f"line {lines[0]}", "that layer"
    if len(lines) > 1:
        copied, where = f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}", "those layers"
    yield make_finding(
        "context-copy-then-delete",
        message=(
            f"line {command.instruction.line} deletes {_listed(paths)}, copied by {copied}: "
            f"{'it is' if len(paths) == 1 else 'they are'} still in {where}."
        ),
        location=dockerfile_line(command),
        places=tuple(dict.fromkeys((dockerfile_line(command), *map(dockerfile_line, copies)))),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, *paths),
        fix=Fix(
            text=f"Keep {_listed(paths)} out of the context (.dockerignore) and drop the deletion in line "
            f"{command.instruction.line}; mount what a step needs with `RUN --mount=type=secret`."
        ),
    )


def _landed(transfer: Transfer, path: str) -> str | None:
    """Where a context file lands by a transfer; None if that does not bring it."""
    if transfer.from_stage is not None or transfer.opaque:
        return None
    if not transfer.is_directory:
        return transfer.dest if transfer.source == path else None
    inside = path if not transfer.source else relative(path, transfer.source)
    return posixpath.join(transfer.dest, inside) if inside else None


def _is_inside(path: str, removed: frozenset[str]) -> bool:
    """Whether the path or a folder above it is among those deleted."""
    while path not in removed:
        if path in ("/", ""):
            return False
        path = posixpath.dirname(path)
    return True


def _matches(removed: str, path: str) -> bool:
    """Whether a wildcard deletes the path or a folder above it."""
    head = "/".join(path.split("/")[: removed.count("/") + 1])
    return fnmatch.fnmatchcase(head, removed)


@frozen
class _Named:
    """Names of secrets that one instruction sets. `given`: a value of substance is set here or by a build argument."""

    command: Command
    names: tuple[str, ...]
    given: bool
    final: bool


def detect_secret_names(simulation: Simulation, build_args: Mapping[str, str]) -> Iterator[Finding]:
    """ARG and ENV with a secret name, one finding for each line."""
    shipped = final_stages(simulation)
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        for command in view.stage.commands:
            if command.keyword in ("ARG", "ENV"):
                named = _named(command, build_args, view.stage.index in shipped)
                if named is not None:
                    yield _secret_name(named)


def _named(command: Command, build_args: Mapping[str, str], final: bool) -> _Named | None:
    names: list[str] = []
    given = False
    for word in command.words:
        name, assigned, value = word.partition("=")
        if not is_secret_name(name):
            continue
        if command.keyword == "ENV" and is_placeholder(value):
            continue
        names.append(name)
        value = build_args.get(name, value) if command.keyword == "ARG" else value
        given = given or (bool(assigned or name in build_args) and not is_placeholder(value))
    if not names:
        return None
    return _Named(command=command, names=tuple(dict.fromkeys(names)), given=given, final=final)


def _secret_name(named: _Named) -> Finding:
    command = named.command
    names, keyword, line = _listed(named.names), command.keyword, command.instruction.line
    if keyword == "ENV":
        where = "in the image's configuration" if named.final else "in the build cache"
    else:
        where = "in the image's history" if named.final else "in the build cache"
    value = "whose value stays" if named.given else "and whatever value is passed stays"
    return make_finding(
        "context-secret-in-arg",
        message=f"line {line} sets {names} by {keyword}, {value} {where}.",
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED if named.given else Evidence.PATTERN,
        identity=(command.instruction.file, keyword, *named.names),
        severity=None if named.given and named.final else Severity.MEDIUM,
        confidence=None if named.given else Confidence.LOW,
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
