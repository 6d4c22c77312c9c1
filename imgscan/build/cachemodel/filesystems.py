"""The files of a stage as far as they can be known: what COPY put where, and which results hide what lies below.

What a RUN leaves behind nobody knows before it ran, so it hides everything under it; what an ADD of an archive or a
COPY of hidden files leaves is hidden below its destination only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from imgscan.build.cachemodel.contents import FOLDER, Content, Entry, Tree, grow_tree, make_content
from imgscan.build.cachemodel.records import BaseImage, Inputs, Ref
from imgscan.detect.stages.contextindex import clean_source, find_matches, is_pattern
from imgscan.detect.stages.walk import is_excluded
from imgscan.frozen import frozen
from imgscan.model import EntryKind

SCRATCH: Final[Ref] = ("scratch", "")
_MAX_ENTRIES: Final = 500_000
_MAX_STEPS: Final = 1_000


@frozen
class Placed:
    """Files and where they land, `dest` without a leading slash; `mode` and `owner` are those of --chmod, --chown.
    `made`: BuildKit makes the folder `dest` itself, with mode 0755, before it copies into it."""

    dest: str
    content: Content
    mode: int | None = None
    owner: str = ""
    made: bool = False


@frozen(slots=False)
class FileSystem:
    """The files after one step. `ref` is the step's result; `placed` is what it put there; `hides` is the folder below
    which its result is not known (None: nothing is hidden)."""

    below: FileSystem | None
    ref: Ref
    placed: tuple[Placed, ...] = ()
    hides: str | None = None

    @cached_property
    def known(self) -> tuple[Tree, tuple[tuple[str, Ref], ...]]:
        """The entries that are surely there, and what hides others: folder and result, the latest first."""
        entries: dict[str, Entry] = {}
        folders: dict[str, Entry] = {}
        barriers: list[tuple[str, Ref]] = []
        at: FileSystem | None = self
        while at is not None:
            for path, entry in at._entries(folders):
                if path not in entries and not any(_inside(path, folder) for folder, _ in barriers):
                    entries[path] = entry
            if at.hides is not None:
                barriers.append((at.hides, at.ref))
                if not at.hides:
                    break
            at = at.below
        return grow_tree({**folders, **entries}.items()), tuple(barriers)

    def _entries(self, folders: dict[str, Entry]) -> Iterator[tuple[str, Entry]]:
        """What the step put there. Destinations that are folders go to `folders`: a folder keeps the mode of the step
        that made it, which is the one farthest below."""
        for placed in reversed(self.placed):  # of two sources the last one wins
            for inner, entry in placed.content.entries.items():
                path = f"{placed.dest}/{inner}".strip("/")
                if path and (inner or entry.kind is not EntryKind.DIRECTORY):
                    yield path, _placed_entry(entry, placed)
                elif path and not placed.made:
                    folders[path] = _placed_entry(entry, placed)

    def select(self, source: str, excludes: tuple[str, ...] = (), *, deep: bool = False) -> tuple[Content, ...]:
        """What a path of the stage names, as `Tree.select`; always one content where something is hidden."""
        tree, barriers = self.known
        cleaned = clean_source(source)
        pattern = is_pattern(cleaned)
        fixed = _literal(cleaned) if pattern else tree.resolve(cleaned)
        path = cleaned if fixed is None else fixed
        hidden = next(((ref, path) for folder, ref in barriers if _inside(path, folder) or _inside(folder, path)), None)
        exact = tree.entries.get(path)
        whole = exact is not None and exact.kind is EntryKind.FILE
        if hidden is None or (whole and not pattern):
            return tree.select(source, excludes, deep=deep)
        paths = find_matches(tree, cleaned, deep=deep) if pattern else [path] if path in tree.entries else []
        entries = {
            _relative(f"{found}/{inner}".strip("/"), path): entry
            for found in paths
            for inner, entry in tree.below(found)
            if not (excludes and inner and is_excluded(excludes, inner))
        }
        known = {inner: entry for inner, entry in entries.items() if entry != FOLDER}
        return (make_content(path, known, (hidden,), names=cleaned),)

    def is_folder(self, path: str) -> bool | None:
        """Whether there is a folder of that path; None if nobody can know, or if it takes too long to find out."""
        at: FileSystem | None = self
        for _ in range(_MAX_STEPS):
            if at is None:
                return False
            for placed in at.placed:
                if _inside(placed.dest, path) and placed.dest != path:
                    return True
                if _inside(path, placed.dest):
                    entry = placed.content.entry(_relative(path, placed.dest))
                    if entry is not None:
                        return entry.kind is EntryKind.DIRECTORY
            if at.hides is not None and _inside(path, at.hides):
                return None
            if at.hides is not None and _inside(at.hides, path):
                return True
            at = at.below
        return None


def empty(ref: Ref) -> FileSystem:
    """The files of an external image, all hidden, or of `scratch`: none."""
    return FileSystem(below=None, ref=ref, hides=None if ref == SCRATCH else "")


def image_files(inputs: Inputs, name: str) -> FileSystem:
    """The files of an external image that `--from` names."""
    base = inputs.bases.get(name) or BaseImage(layers=name)
    return empty(SCRATCH if name == "scratch" else ("image", base.layers))


class Budget:
    """How many entries of stages may still be looked at: a Dockerfile of a thousand stages that copy each other's files
    must not cost more than one of ten. What is beyond it counts as hidden."""

    def __init__(self) -> None:
        self.left = _MAX_ENTRIES

    def look(self, files: FileSystem) -> FileSystem:
        """The files to select from."""
        if self.left < 0:
            return FileSystem(below=None, ref=files.ref, hides="")
        if "known" not in files.__dict__:
            self.left -= len(files.known[0].entries)
        return files


def _placed_entry(entry: Entry, placed: Placed) -> Entry:
    mode = entry.mode
    if placed.mode is not None and entry.kind is not EntryKind.SYMLINK:
        mode = placed.mode
    return Entry(entry.kind, mode, entry.digest, entry.link, placed.owner or entry.owner)


def _inside(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _relative(path: str, folder: str) -> str:
    return path[len(folder) :].lstrip("/") if folder else path


def _literal(pattern: str) -> str:
    """The folders in front of the first wildcard."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if is_pattern(part):
            break
        parts.append(part)
    return posixpath.join("", *parts) if parts else ""
