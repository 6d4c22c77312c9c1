"""The build context as an index: which paths exist, what lies below a folder, what a COPY source matches. Pure.

In: `BuildContext`. Out: `ContextIndex`, whose questions cost a bisection, so that a Dockerfile of thousands of
instructions over a context of hundreds of thousands of files stays cheap.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import EntryKind

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

_MAGIC: Final = lazy_re(r"(?<!\\)[*?\[]")
MAX_MATCHES: Final = 5_000
MAX_COMPARISONS: Final = 5_000_000


@frozen
class Match:
    """A path of the context that a COPY source names; the whole context is `""`."""

    path: str
    is_directory: bool


@frozen
class ContextIndex:
    """`paths`: every file (and link) that reaches the engine, sorted; `offsets[i]`: bytes of the files before `i`."""

    paths: tuple[str, ...]
    offsets: tuple[int, ...]
    folders: frozenset[str]
    known: frozenset[str]

    def span(self, folder: str) -> range:
        """The positions in `paths` of everything below a folder; `""` is the whole context."""
        if not folder:
            return range(len(self.paths))
        # "0" is the character after "/", so this pair encloses exactly what starts with "folder/".
        return range(bisect_left(self.paths, folder + "/"), bisect_left(self.paths, folder + "0"))

    def names(self, folder: str) -> Iterator[str]:
        """What lies directly in a folder."""
        span = self.span(folder)
        prefix = f"{folder}/" if folder else ""
        at = span.start
        while at < span.stop:
            name, slash, _ = self.paths[at][len(prefix) :].partition("/")
            yield name
            at = bisect_left(self.paths, f"{prefix}{name}0", at) if slash else at + 1

    def has(self, path: str) -> bool:
        """Whether there is anything of that path."""
        return path in self.known or path in self.folders

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that path."""
        return path in self.folders

    def size_bytes(self, span: range) -> int:
        """The bytes of the files of a span."""
        return self.offsets[span.stop] - self.offsets[span.start] if span else 0

    def size_of(self, path: str) -> int:
        """The bytes of one file; 0 if there is none."""
        at = bisect_left(self.paths, path)
        return self.size_bytes(range(at, at + 1)) if at < len(self.paths) and self.paths[at] == path else 0

    def below(self, match: Match) -> Iterator[str]:
        """The files a match stands for."""
        if match.is_directory:
            yield from (self.paths[at] for at in self.span(match.path))
        else:
            yield match.path


def index_context(context: BuildContext) -> ContextIndex:
    """The index of what reaches the engine."""
    files = sorted((f.path, f.size_bytes) for f in context.files if f.kind is not EntryKind.DIRECTORY)
    folders = {f.path for f in context.files if f.kind is EntryKind.DIRECTORY} | {""}
    for path, _ in files:
        folder = posixpath.dirname(path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    paths = tuple(path for path, _ in files)
    return ContextIndex(
        paths=paths,
        offsets=tuple(accumulate((size for _, size in files), initial=0)),
        folders=frozenset(folders),
        known=frozenset(paths),
    )


def clean_source(word: str) -> str:
    """A COPY source as a path of the context: `./a/`, `/a` and `a` are the same; `.` is `""`; never above the root."""
    cleaned = posixpath.normpath("/" + word).lstrip("/")
    return "" if cleaned == "." else cleaned


class Folders(Protocol):
    """Files by path, the root `""`."""

    def names(self, folder: str) -> Iterable[str]:
        """What lies directly in a folder."""
        ...

    def has(self, path: str) -> bool:
        """Whether there is anything of that path."""
        ...

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that path."""
        ...


def find_matches(folders: Folders, pattern: str, *, deep: bool = False) -> list[str]:
    """The paths that a pattern of COPY matches, sorted: Go's `filepath.Match` segment by segment. `deep`: `**` stands
    for any number of folders, as with --parents; else it is as good as `*`, as measured on Docker 20.10 and 28.5."""
    segments = pattern.split("/")
    if deep and segments[-1] == "**":
        segments.append("*")
    found: dict[str, None] = {"": None}
    for segment in segments:
        if deep and segment == "**":
            found = dict.fromkeys(_with_inner(folders, found))
        elif is_pattern(segment):
            inner = (
                _join(path, name) for path in found for name in folders.names(path) if matches_segment(name, segment)
            )
            found = dict.fromkeys(inner)
        else:
            plain = segment.replace("\\", "")
            found = dict.fromkeys(path for path in (_join(above, plain) for above in found) if folders.has(path))
    return sorted(found)


def _with_inner(folders: Folders, found: Iterable[str]) -> Iterator[str]:
    """Those folders and all below them."""
    waiting = list(found)
    seen = set(waiting)
    while waiting:
        folder = waiting.pop()
        yield folder
        inner = [_join(folder, name) for name in folders.names(folder)]
        inner = [path for path in inner if path not in seen and folders.is_folder(path)]
        seen.update(inner)
        waiting += inner


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


class SourceMatcher:
    """`match_source` with a memory and a limit. State: the answers given, the comparisons left."""

    def __init__(self, index: ContextIndex) -> None:
        self.index = index
        self.known: dict[tuple[str, bool], tuple[Match, ...] | None] = {}
        self.left = MAX_COMPARISONS

    def match(self, word: str, *, deep: bool = False) -> tuple[Match, ...] | None:
        """What a COPY source names; None if it is too much to follow, or if the Dockerfile asked too often."""
        key = (word, deep)
        if key not in self.known:
            if is_pattern(word):
                self.left -= len(self.index.paths)
            self.known[key] = match_source(self.index, word, deep=deep) if self.left >= 0 else None
        return self.known[key]


def match_source(index: ContextIndex, word: str, *, deep: bool = False) -> tuple[Match, ...] | None:
    """What a COPY source names: a path, or with wildcards what `find_matches` finds, with `**` files only. None if it
    is too much to follow."""
    source = clean_source(word)
    if not is_pattern(source):
        if source in index.folders:
            return (Match(path=source, is_directory=True),)
        return (Match(path=source, is_directory=False),) if source in index.known else ()
    found = find_matches(index, source, deep=deep)
    if deep and "**" in source.split("/"):
        found = [path for path in found if path in index.known]
    if len(found) > MAX_MATCHES:
        return None
    return tuple(Match(path=path, is_directory=path not in index.known) for path in found)


def is_pattern(source: str) -> bool:
    """Whether a COPY source has wildcards."""
    return _MAGIC.search(source) is not None


def matches_segment(name: str, pattern: str) -> bool:
    """Whether a name matches one segment of a pattern, as Go's `filepath.Match` takes it."""
    return _segment_regex(pattern).match(name) is not None


@lru_cache(maxsize=1024)
def _segment_regex(segment: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(segment.replace("[^", "[!")), re.DOTALL)
