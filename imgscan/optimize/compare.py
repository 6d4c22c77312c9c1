"""Two flattened file systems and configurations -> what differs, and whether the patch explains it. Pure.

What differs between two builds of the original is no difference; nor is, where programs make up names (a temporary
folder, a log with its time), a name in the same folder that only one build has.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.model import EntryKind
from imgscan.optimize.flatten import Seen

_CONFIG: Final = (
    *("Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Labels", "Volumes", "StopSignal", "Shell", "OnBuild"),
    *("Healthcheck", "StopTimeout", "ArgsEscaped"),
)
_LOGS: Final = (b"var/log/", b"var/cache/ldconfig/", b"root/.npm/_logs/", b"tmp/")
_STAMPED: Final = b".pyc"


@frozen
class Difference:
    """A path that is not the same. `before` or `after` is None where it is not there."""

    path: bytes
    before: Seen | None
    after: Seen | None

    @property
    def shown(self) -> str:
        """The difference in words."""
        return f"/{path_text(self.path)} ({self.what})"

    @property
    def what(self) -> str:
        """What differs."""
        if self.before is None:
            return "only after"
        if self.after is None:
            return "only before"
        if self.before.kind is not self.after.kind:
            return "type"
        if self.before.mode != self.after.mode:
            return f"mode {self.before.mode:o} became {self.after.mode:o}"
        if self.before[2:4] != self.after[2:4]:
            return "owner"
        return "content"


@dataclass(slots=True, kw_only=True)
class Noise:
    """What is not the same in two builds of the same thing: paths, and folders in which names are made up."""

    paths: set[bytes] = field(default_factory=set)
    folders: set[bytes] = field(default_factory=set)

    def learn(self, one: Mapping[bytes, Seen], other: Mapping[bytes, Seen]) -> None:
        """Take note of what differs between two builds of the same thing."""
        found = differences(one, other)
        self.paths |= {difference.path for difference in found}
        gone = {posixpath.dirname(d.path) for d in found if d.after is None}
        new = {posixpath.dirname(d.path) for d in found if d.before is None}
        self.folders |= gone & new

    def covers(self, difference: Difference) -> bool:
        """Whether a difference means nothing."""
        path = difference.path
        if path in self.paths or path.startswith(_LOGS):
            return True
        if difference.before is None or difference.after is None:
            return any(folder in self.folders for folder in _folders_above(path))
        return path.endswith(_STAMPED) and difference.what == "content"


def differences(before: Mapping[bytes, Seen], after: Mapping[bytes, Seen]) -> list[Difference]:
    """Every path that is not the same, sorted."""
    return [
        Difference(path=path, before=before.get(path), after=after.get(path))
        for path in sorted(before.keys() | after.keys())
        if path and before.get(path) != after.get(path)
    ]


def _folders_above(path: bytes) -> list[bytes]:
    found: list[bytes] = []
    while path:
        path = posixpath.dirname(path)
        found.append(path)
    return found


@frozen
class Excuses:
    """What the patch changes on purpose. `drops`: folders (no leading slash) whose content it takes away; `ignored`: is
    a file or folder of the context that it keeps out, by name and content; `rewritten`: the files that it is made of,
    content before -> after; `added`: name -> content of files that only it has."""

    drops: tuple[bytes, ...]
    ignored: Callable[[bytes, Seen], bool]
    rewritten: Mapping[bytes, bytes]
    added: Mapping[bytes, bytes]

    def cover(self, difference: Difference) -> bool:
        """Whether a difference is meant."""
        path, before, after = difference.path, difference.before, difference.after
        if any(path == drop or path.startswith(drop + b"/") for drop in self.drops):
            return True
        if after is None:
            return before is not None and self.ignored(path, before)
        if before is None:
            return after.content is not None and self.added.get(posixpath.basename(path)) == after.content
        return (
            before.content is not None
            and before._replace(content=None) == after._replace(content=None)
            and self.rewritten.get(before.content) == after.content
        )


def unexplained(found: list[Difference], noise: Noise, excuses: Excuses) -> tuple[list[Difference], list[bytes]]:
    """The differences that nothing explains, and the paths left out on purpose."""
    wrong: list[Difference] = []
    left_out: list[bytes] = []
    folders: list[Difference] = []
    for difference in found:
        if noise.covers(difference):
            continue
        if difference.after is None and difference.before and difference.before.kind is EntryKind.DIRECTORY:
            folders.append(difference)
        elif excuses.cover(difference):
            left_out += [difference.path] if difference.after is None else []
        else:
            wrong.append(difference)
    # A folder goes with what was in it, and an empty one if it is kept out itself.
    for folder in folders:
        below = folder.path + b"/"
        if not any(path.startswith(below) for path in left_out) and not excuses.cover(folder):
            wrong.append(folder)
    return wrong, left_out


def config_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of two image configurations that differ; the order of variables means nothing."""
    found = [name for name in _CONFIG if (before.get(name) or None) != (after.get(name) or None)]
    one, other = _environment(before), _environment(after)
    return found + [f"Env {name}" for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (str(item).partition("=") for item in config.get("Env") or ())
    return {name: value for name, _, value in pairs}
