"""The build context as an index: which paths exist, what lies below a folder, what a COPY source matches. Pure.

In: `BuildContext`. Out: `ContextIndex`, whose questions cost a bisection, so that a Dockerfile of thousands of
instructions over a context of hundreds of thousands of files stays cheap.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from imgscan.model import EntryKind

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

_MAGIC: Final = re.compile(r"[*?\[]")
_MAX_DOUBLE_STARS: Final = 2
_MAX_DEPTH: Final = 100
MAX_MATCHES: Final = 5_000
MAX_COMPARISONS: Final = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A path of the context that a COPY source names; the whole context is `""`."""

    path: str
    is_directory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
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


class SourceMatcher:
    """`match_source` with a memory and a limit. State: the answers given, the comparisons left."""

    def __init__(self, index: ContextIndex) -> None:
        self.index = index
        self.known: dict[str, tuple[Match, ...] | None] = {}
        self.left = MAX_COMPARISONS

    def match(self, word: str) -> tuple[Match, ...] | None:
        """What a COPY source names; None if it is too much to follow, or if the Dockerfile asked too often."""
        if word not in self.known:
            if _MAGIC.search(word):
                self.left -= len(self.index.paths)
            self.known[word] = match_source(self.index, word) if self.left >= 0 else None
        return self.known[word]


def match_source(index: ContextIndex, word: str) -> tuple[Match, ...] | None:
    """What a COPY source names: Go's `filepath.Match` per segment plus `**`. None if it is too much to follow."""
    source = clean_source(word)
    if not _MAGIC.search(source):
        if source in index.folders:
            return (Match(path=source, is_directory=True),)
        return (Match(path=source, is_directory=False),) if source in index.known else ()
    segments = source.split("/")
    literal = next(at for at, segment in enumerate(segments) if _MAGIC.search(segment))
    span = index.span("/".join(segments[:literal]))
    deep = segments.count("**")
    if deep > _MAX_DOUBLE_STARS:
        return None
    found: dict[str, bool] = {}
    for at in span:
        path = index.paths[at]
        hit = _deep_match(path, source) if deep else _shallow_match(path, segments)
        if hit is not None:
            found[hit] = hit != path
            if len(found) > MAX_MATCHES:
                return None
    return tuple(Match(path=path, is_directory=is_dir) for path, is_dir in found.items())


def _shallow_match(path: str, segments: list[str]) -> str | None:
    parts = path.split("/", len(segments))
    if len(parts) < len(segments):
        return None
    head = parts[: len(segments)]
    if all(matches_segment(part, pattern) for pattern, part in zip(segments, head, strict=True)):
        return "/".join(head)
    return None


def _deep_match(path: str, pattern: str) -> str | None:
    if path.count("/") > _MAX_DEPTH:  # two `**` backtrack quadratically in the depth
        return None
    return path if _deep_regex(pattern).match(path) else None


def matches_segment(name: str, pattern: str) -> bool:
    """Whether a name matches one segment of a pattern, as Go's `filepath.Match` takes it."""
    return _segment_regex(pattern).match(name) is not None


@lru_cache(maxsize=1024)
def _segment_regex(segment: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(segment.replace("[^", "[!")), re.DOTALL)


@lru_cache(maxsize=256)
def _deep_regex(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    if pattern.endswith("**"):
        pattern += "/*"
    for segment in pattern.split("/"):
        if segment == "**":
            parts.append(r"(?:[^/]+/)*")
            continue
        inner = fnmatch.translate(segment.replace("[^", "[!"))
        parts.append(inner.removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*") + "/")
    return re.compile("".join(parts).removesuffix("/") + r"\Z", re.DOTALL)
