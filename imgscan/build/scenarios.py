"""The context and its Dockerfile -> what each rebuild scenario changes: one file's content, or one build argument.

The source file is one that people do edit: of those the image is made from, the one that the latest commits changed
most. Without a history, names and folders decide. Lockfile and manifest are those nearest to the install that is
measured.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from imgscan.alike import alike
from imgscan.build.candidates import (
    choose_argument,
    choose_lockfile,
    choose_manifest,
    choose_source,
    choose_unrelated,
    declared_arguments,
)
from imgscan.build.gitlog import count_changes
from imgscan.build.reach import Reach
from imgscan.build.touch import argument_value, touch_dockerfile, touch_lockfile, touch_manifest, touch_source
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.parse import Dockerfile
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import EntryKind, Skipped

SCENARIOS: Final = ("cold", "noop", "touch-source", "touch-lockfile")
"""What is measured unless others are asked for."""
MORE_SCENARIOS: Final = ("touch-manifest", "touch-unrelated", "dockerfile-comment", "build-arg")
RERUN_ALL: Final = "rerun-all"
"""Every RUN once more, and what stands below one, as in the cold build but with the cache mounts that it filled."""
ALL_SCENARIOS: Final = (*SCENARIOS, *MORE_SCENARIOS, RERUN_ALL)
MAX_TOUCHED_BYTES: Final = 32 * 1024 * 1024
"""A larger file is no source: it would be read into memory for every repeat."""
_NOT_THERE: Final = {
    "touch-source": "no source file of the context is copied into the image",
    "touch-lockfile": "no lockfile of the context is copied into the image",
    "touch-manifest": "no manifest of the context is copied into the image",
    "touch-unrelated": "the context has no README or other document: such an edit cannot re-run anything",
    "build-arg": "no ARG has a name that says that every build gives it another value; --touch-arg names one",
}

Changes = Callable[[Path], Mapping[str, int]]
"""Path relative to the context -> how often the latest commits changed it."""
Change = Callable[[str, bytes, str], bytes | None]
"""Path, content, nonce -> the content changed in a way that is new for every nonce; None if that cannot be done."""


@frozen
class Touch:
    """One file to be touched: `path` in the context, its original bytes, what to make of them for a nonce."""

    path: str
    content: bytes
    change: Change

    @property
    def what(self) -> str:
        """What the report says was touched."""
        return self.path

    def replacement(self, nonce: str) -> dict[str, bytes]:
        """The context's `replace` for one repeat."""
        changed = self.change(self.path, self.content, nonce)
        return {self.path: changed} if changed is not None else {}

    def build_args(self, nonce: str) -> dict[str, str]:
        """No argument changes."""
        return {}


@frozen
class ArgumentTouch:
    """A build argument that gets another value in each repeat."""

    name: str

    @property
    def what(self) -> str:
        """What the report says was touched."""
        return f"ARG {self.name}"

    def replacement(self, nonce: str) -> dict[str, bytes]:
        """No file changes."""
        return {}

    def build_args(self, nonce: str) -> dict[str, str]:
        """The arguments of one repeat that differ from the build's."""
        return {self.name: argument_value(self.name, nonce)}


@frozen
class Wishes:
    """What the user names himself: scenarios beyond the usual ones, and what to touch in place of what would be
    chosen."""

    scenarios: tuple[str, ...] = SCENARIOS
    source: str | None = None
    lockfile: str | None = None
    argument: str | None = None


@frozen
class Choice:
    """What the scenarios touch; None where nothing fits, with the reason in `skipped`. `more` are those of
    `MORE_SCENARIOS`."""

    source: Touch | None
    lockfile: Touch | None
    skipped: tuple[Skipped, ...] = ()
    more: tuple[tuple[str, Touch | ArgumentTouch], ...] = ()

    @property
    def touches(self) -> dict[str, Touch | ArgumentTouch]:
        """By scenario, in the order of `ALL_SCENARIOS`."""
        found = {"touch-source": self.source, "touch-lockfile": self.lockfile, **dict(self.more)}
        return {name: touch for name in ALL_SCENARIOS if (touch := found.get(name)) is not None}


def pick_scenarios(names: Sequence[str]) -> tuple[str, ...]:
    """What to measure when these are asked for: the cold build comes first in any case, and the rebuild without changes
    wherever another one is to be compared with it; the usual ones if none is named."""
    if not names:
        return SCENARIOS
    wanted = {*names, "cold"}
    if wanted != {"cold"}:
        wanted.add("noop")
    return tuple(name for name in ALL_SCENARIOS if name in wanted)


def basis_scenarios(reach: Reach) -> tuple[str, ...]:
    """What predictions need at least. A step with a cache mount takes longer in a cold build than ever again."""
    views = [view for view in reach.simulation.stages if view.stage.index in reach.simulation.needed]
    flags = [flag for view in views for run in view.runs for flag in run.command.flags]
    mounts = any(name == "mount" and value and "type=cache" in value for name, value in flags)
    return ("cold", "noop", RERUN_ALL) if mounts else ("cold", "noop")


def choose_files(
    context: BuildContext,
    reach: Reach,
    *,
    touch_source_path: str | None = None,
    touch_lockfile_path: str | None = None,
    read_changes: Changes = count_changes,
) -> Choice:
    """The files of the usual scenarios. Raises InputError for a path of the user's that is not in the context."""
    wishes = Wishes(source=touch_source_path, lockfile=touch_lockfile_path)
    return _choose(context, reach, wishes, None, read_changes)


def choose_touches(
    context: BuildContext,
    dockerfile: Dockerfile,
    reach: Reach,
    wishes: Wishes,
    read_changes: Changes = count_changes,
) -> Choice:
    """What every scenario touches. Raises InputError for a path that is not in the context, an ARG that is not
    declared."""
    return _choose(context, reach, wishes, dockerfile, read_changes)


def _choose(
    context: BuildContext, reach: Reach, wishes: Wishes, dockerfile: Dockerfile | None, read_changes: Changes
) -> Choice:
    files = [
        file.path for file in context.files if file.kind is EntryKind.FILE and 0 <= file.size_bytes <= MAX_TOUCHED_BYTES
    ]
    reached = reach.files()
    used = [path for path in files if path in reached]
    skipped: list[Skipped] = []
    source = _given(context, wishes.source, "--touch-source")
    if source is None:
        source = choose_source(used, read_changes(context.root))
    lockfile = _given(context, wishes.lockfile, "--touch-lockfile") or choose_lockfile(used, reach)
    found_source = _touch(context, source, "touch-source", touch_source, skipped)
    found_lockfile = _touch(context, lockfile, "touch-lockfile", touch_lockfile, skipped)
    more: dict[str, Touch | ArgumentTouch | None] = {}
    if dockerfile is not None and not {*MORE_SCENARIOS}.isdisjoint(wishes.scenarios):
        manifest, document = choose_manifest(used, reach), choose_unrelated(files)
        more = {
            "touch-manifest": _touch(context, manifest, "touch-manifest", touch_manifest, skipped),
            "touch-unrelated": _touch(context, document, "touch-unrelated", touch_source, skipped),
            "dockerfile-comment": _dockerfile_touch(context, skipped),
            "build-arg": _argument_touch(dockerfile, reach, wishes.argument, skipped),
        }
    return Choice(
        source=found_source,
        lockfile=found_lockfile,
        skipped=tuple(skipped),
        more=tuple((name, touch) for name, touch in more.items() if touch is not None),
    )


def _given(context: BuildContext, path: str | None, option: str) -> str | None:
    """The user's path as a path of the context."""
    if path is None:
        return None
    normal = posixpath.normpath(path.removeprefix(f"{context.root}/"))
    files = [file.path for file in context.files if file.kind is EntryKind.FILE]
    if normal in files:
        return normal
    near = alike(normal, files[:20_000], most=3)
    near += [file for file in files if posixpath.basename(file) == posixpath.basename(normal) and file not in near][:3]
    raise InputError(
        f"{option}: there is no file {path} in the build context",
        cause="it does not exist there, or .dockerignore leaves it out",
        next_step=f"did you mean {', '.join(near[:3])}?" if near else "give a path relative to the build context",
    )


def _touch(
    context: BuildContext, path: str | None, scenario: str, change: Change, skipped: list[Skipped]
) -> Touch | None:
    if path is None:
        skipped.append(Skipped(where=scenario, reason=_NOT_THERE[scenario]))
        return None
    try:
        content = read_context_file(context.root, path)
    except OSError as error:
        skipped.append(Skipped(where=scenario, reason=f"{path} cannot be read: {error.strerror or error}"))
        return None
    if change(path, content, "0") is None:
        reason = "is binary, or not what its name says: it cannot be changed without breaking it"
        skipped.append(Skipped(where=scenario, reason=f"{path} {reason}"))
        return None
    return Touch(path=path, content=content, change=change)


def _dockerfile_touch(context: BuildContext, skipped: list[Skipped]) -> Touch | None:
    if not any(file.path == context.dockerfile for file in context.files):
        # It would be sent as a member of its own, which a `COPY .` takes and docker build would not have.
        reason = "the Dockerfile is not part of the context: an edit that leaves its instructions alone re-runs nothing"
        skipped.append(Skipped(where="dockerfile-comment", reason=reason))
        return None
    return Touch(path=context.dockerfile, content=context.dockerfile_text, change=touch_dockerfile)


def _argument_touch(
    dockerfile: Dockerfile, reach: Reach, given: str | None, skipped: list[Skipped]
) -> ArgumentTouch | None:
    declared = declared_arguments(reach)
    if given is not None and given not in declared:
        raise InputError(
            f"--touch-arg: no stage that is built declares an ARG {given}",
            next_step=f"declared are: {', '.join(declared)}" if declared else "leave the option out",
        )
    name = given or choose_argument(dockerfile, reach)
    if name is None:
        skipped.append(Skipped(where="build-arg", reason=_NOT_THERE["build-arg"]))
        return None
    return ArgumentTouch(name=name)


def read_context_file(root: Path, path: str) -> bytes:
    """A file of the context; never through a link at its end, never more than `MAX_TOUCHED_BYTES`."""
    descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_TOUCHED_BYTES)
