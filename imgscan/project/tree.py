"""The project's own files, whatever the ignore file says. In: a folder. Out: a list of paths, and texts by path.

A link is never followed, nothing outside of the folder is opened, and what is large, deep or plenty is left out and
told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imgscan.dockerfile.locate import read_regular_file
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Skipped

MAX_BYTES: Final = 2 << 20
_MOST_FILES: Final = 200_000
_DEEPEST: Final = 40
NOT_OURS: Final = frozenset(
    {".git", "node_modules", ".venv", "venv", "vendor", "__pycache__", ".tox", "bower_components", ".pnpm-store"}
)
"""Folders of version control and of packages: what is in them is not the project's own."""
_ASIDE: Final = lazy_re(
    r"(?:[\w.-]*[._-])?_*"
    r"(?:examples?|samples?|demos?|tutorials?|tests?|testdata|testing|fixtures?|e2e|docs?|documentation)_*"
    r"(?:[_-](?:images?|data|files|apps|projects|cases|suites?|setups?|stacks?|compose|configs?))?",
    re.IGNORECASE,
)


def is_aside(path: str, looked_at: Iterable[str] = ()) -> bool:
    """Whether a file lies in a folder of examples, samples, demos, tests, fixtures or documentation, by the folder's
    name: it shows or tries something, and is not what the project itself is started by. `looked_at` are folders that a
    user named: below one of them only what is further down counts, as it does below the root."""
    below = max((folder for folder in looked_at if path.startswith(f"{folder}/")), key=len, default="")
    folders = path[len(below) :].lstrip("/").split("/")[:-1]
    return any(_ASIDE.fullmatch(folder[:100]) for folder in folders)


@frozen
class TreeFile:
    """A regular file: its size in bytes and whether its owner may execute it."""

    path: str
    size_bytes: int
    executable: bool


@frozen
class ProjectTree:
    """Every regular file below `root` by path (relative, with slashes, sorted), outside of `NOT_OURS`. `folders` are
    the paths of folders, `links` those of symbolic links."""

    root: Path
    files: Mapping[str, TreeFile]
    folders: frozenset[str]
    links: frozenset[str]
    skipped: tuple[Skipped, ...]
    _texts: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def text(self, path: str) -> str | None:
        """The text of a listed file, bytes that are not UTF-8 as surrogates; None when it is not listed, larger than 2
        MiB, or cannot be read. Read once."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def named(self, *names: str) -> Iterator[str]:
        """The paths of files that have one of these names, whatever folder they are in."""
        wanted = frozenset(names)
        return (path for path in self.files if path.rpartition("/")[2] in wanted)

    def _read(self, path: str) -> str | None:
        found = self.files.get(path)
        if found is None or found.size_bytes > MAX_BYTES:
            return None
        try:
            return read_regular_file(self.root / path, MAX_BYTES).decode("utf-8", "surrogateescape")
        except (OSError, ValueError):
            return None


def read_tree(root: Path) -> ProjectTree:
    """The files below `root`. What cannot be listed is in `skipped`; it ends after 200,000 files and 40 levels."""
    walk = _Walk(root=root)
    walk.run()
    return ProjectTree(
        root=root,
        files=dict(sorted(walk.files.items())),
        folders=frozenset(walk.folders),
        links=frozenset(walk.links),
        skipped=tuple(walk.skipped),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    root: Path
    files: dict[str, TreeFile] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)

    def run(self) -> None:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(self.root / folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.skipped.append(Skipped(where=folder or ".", reason=error.strerror or "cannot be listed"))
                continue
            for entry in found:
                if len(self.files) >= _MOST_FILES:
                    self.skipped.append(Skipped(where=folder or ".", reason=f"more than {_MOST_FILES} files"))
                    return
                below = self._add(entry, f"{folder}/{entry.name}" if folder else entry.name)
                waiting += [below] if below else []

    def _add(self, entry: os.DirEntry[str], path: str) -> str | None:
        """The path of a folder that is to be listed."""
        if entry.is_symlink():
            self.links.add(path)
        elif entry.is_dir(follow_symlinks=False):
            self.folders.add(path)
            if entry.name in NOT_OURS:
                return None
            if path.count("/") < _DEEPEST:
                return path
            self.skipped.append(Skipped(where=path, reason=f"more than {_DEEPEST} folders deep"))
        elif entry.is_file(follow_symlinks=False):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                self.skipped.append(Skipped(where=path, reason=error.strerror or "cannot be read"))
                return None
            executable = bool(status.st_mode & 0o100)
            self.files[path] = TreeFile(path=path, size_bytes=status.st_size, executable=executable)
        return None
