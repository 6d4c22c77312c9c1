"""Files by path -> what a COPY or a bind mount selects of them, and whether two selections are the same to a builder.

A selection has known entries and, where steps whose output nobody knows wrote below it, the results that hide the rest.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from imgscan.build.cachemodel.records import InputFile, Ref
from imgscan.detect.stages.contextindex import clean_source, matches_segment
from imgscan.detect.stages.walk import is_excluded
from imgscan.model import EntryKind

_MAGIC: Final = re.compile(r"(?<!\\)[*?\[]")
_MAX_LINKS: Final = 255
_MAX_SHOWN: Final = 3


class Entry(NamedTuple):
    """What counts of a file: `digest` of its bytes, `link` of a symbolic link; times do not."""

    kind: EntryKind
    mode: int
    digest: str = ""
    link: str = ""
    owner: str = ""


FOLDER: Final = Entry(EntryKind.DIRECTORY, 0o755)


class Verdict(StrEnum):
    """Whether two keys are the same."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Content:
    """The files of one source. `entries` are by their path in the selection, `""` the selected path itself; `prefix` is
    what stands before it in messages; `hidden` are the results below which unknown files lie; `names` is whatever of
    the path counts besides the entries."""

    prefix: str
    entries: Mapping[str, Entry]
    hidden: tuple[tuple[Ref, str], ...] = ()
    names: str = ""
    # The items in one hash: large contexts are compared often.
    fingerprint: int = 0


def make_content(
    prefix: str, entries: Mapping[str, Entry], hidden: tuple[tuple[Ref, str], ...] = (), names: str = ""
) -> Content:
    """A content with its fingerprint."""
    fingerprint = hash(frozenset(entries.items()))
    return Content(prefix=prefix, entries=entries, hidden=hidden, names=names, fingerprint=fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Files by path, relative to the root `""`, folders above them included; `children` are names by folder."""

    entries: Mapping[str, Entry]
    children: Mapping[str, tuple[str, ...]]
    memo: dict[tuple[str, tuple[str, ...]], Content] = field(default_factory=dict, compare=False, repr=False)

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """The folder's entries by their path in it, itself first as `""`."""
        waiting = [""]
        while waiting:
            inner = waiting.pop()
            path = f"{folder}/{inner}".strip("/")
            yield inner, self.entries[path]
            waiting += [f"{inner}/{name}".lstrip("/") for name in self.children.get(path, ())]

    def resolve(self, path: str, *, follow: bool = True) -> str | None:
        """The path with all links in it followed inside the tree; None where there is nothing."""
        found = ""
        left = [part for part in path.split("/") if part and part != "."]
        hops = 0
        while left:
            part = left.pop(0)
            if part == "..":
                found = posixpath.dirname(found)
                continue
            step = f"{found}/{part}".lstrip("/")
            entry = self.entries.get(step)
            if entry is None:
                return None
            if entry.kind is EntryKind.SYMLINK and (left or follow):
                hops += 1
                if hops > _MAX_LINKS:
                    return None
                found = "" if entry.link.startswith("/") else found
                left = [part for part in entry.link.split("/") if part and part != "."] + left
                continue
            found = step
        return found

    def glob(self, pattern: str) -> list[str]:
        """The paths that match, sorted: Go's `filepath.Match` segment by segment, `**` for any number of folders."""
        found = [""]
        for segment in pattern.split("/"):
            if segment == "**":
                found = [f"{f}/{inner}".strip("/") for f in found for inner, e in self.below(f) if _is_folder(e)]
            elif _MAGIC.search(segment):
                found = [_join(f, n) for f in found for n in self.children.get(f, ()) if matches_segment(n, segment)]
            else:
                plain = segment.replace("\\", "")
                found = [_join(f, plain) for f in found if _join(f, plain) in self.entries]
        return sorted(dict.fromkeys(found))

    def select(self, source: str, excludes: tuple[str, ...] = ()) -> tuple[Content, ...]:
        """What a source names: one content for a plain path, one for each match of a pattern; none for nothing."""
        cleaned = clean_source(source)
        if not is_pattern(cleaned):
            path = self.resolve(cleaned)
            return () if path is None else (self._content(path, cleaned, excludes),)
        found: list[Content] = []
        for match in self.glob(cleaned):
            path = self.resolve(match)
            if path is not None:
                found.append(self._content(path, match, excludes))
        return tuple(found)

    def _content(self, path: str, shown: str, excludes: tuple[str, ...]) -> Content:
        known = self.memo.get((path, excludes))
        if known is None:
            entries = dict(self.below(path))
            if excludes:
                entries = {inner: e for inner, e in entries.items() if not inner or not is_excluded(excludes, inner)}
            known = self.memo[path, excludes] = make_content(path, entries)
        return Content(prefix=shown, entries=known.entries, names=shown, fingerprint=known.fingerprint)


def is_pattern(source: str) -> bool:
    """Whether a COPY source has wildcards."""
    return _MAGIC.search(source) is not None


def grow_tree(entries: Iterable[tuple[str, Entry]]) -> Tree:
    """The tree of these paths; folders that are not among them count as made with mode 0755."""
    found: dict[str, Entry] = {"": FOLDER, **dict(entries)}
    for path in list(found):
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found[folder] = FOLDER
            folder = posixpath.dirname(folder)
    children: dict[str, list[str]] = {}
    for path in found:
        if path:
            folder, name = posixpath.split(path)
            children.setdefault(folder, []).append(name)
    return Tree(entries=found, children={folder: tuple(names) for folder, names in children.items()})


def context_tree(files: Iterable[InputFile], *, folder_modes: bool) -> Tree:
    """The context as a tree; without `folder_modes` those of folders do not count."""
    return grow_tree((file.path, _entry(file, folder_modes)) for file in files)


def _entry(file: InputFile, folder_modes: bool) -> Entry:
    if file.kind is EntryKind.DIRECTORY:
        return Entry(file.kind, file.mode) if folder_modes else FOLDER
    if file.kind is EntryKind.SYMLINK:
        return Entry(file.kind, 0o777, link=file.link_target or "")
    return Entry(file.kind, file.mode, digest=file.digest)


def compare_contents(after: Content, before: Content, same_result: Callable[[Ref, Ref], Verdict]) -> Verdict:
    """Whether a builder sees the same files. `same_result` compares results of two builds."""
    if after.names != before.names:
        return Verdict.OTHER
    hidden = _compare_hidden(after, before, same_result)
    equal = after.fingerprint == before.fingerprint and after.entries == before.entries
    if hidden is Verdict.SAME:
        return Verdict.SAME if equal else Verdict.OTHER
    if any(entry != before.entries.get(path, entry) for path, entry in after.entries.items()):
        return Verdict.OTHER
    return Verdict.UNKNOWN


def _compare_hidden(after: Content, before: Content, same_result: Callable[[Ref, Ref], Verdict]) -> Verdict:
    if len(after.hidden) != len(before.hidden):
        return Verdict.UNKNOWN
    for (ref, path), (other, other_path) in zip(after.hidden, before.hidden, strict=True):
        if path != other_path or same_result(ref, other) is not Verdict.SAME:
            return Verdict.UNKNOWN
    return Verdict.SAME


def describe_difference(after: Content, before: Content) -> str:
    """Which files make the difference, in words."""
    changed: list[str] = []
    for path in sorted(after.entries.keys() | before.entries.keys()):
        new, old = after.entries.get(path), before.entries.get(path)
        if new != old:
            name = _join(after.prefix if new else before.prefix, path) or "."
            changed.append(f"{name} {_difference(new, old)}")
    if not changed:
        return f"{before.prefix or '.'} is now {after.prefix or '.'}" if after.names != before.names else ""
    more = f" and {len(changed) - _MAX_SHOWN} more" if len(changed) > _MAX_SHOWN else ""
    return ", ".join(changed[:_MAX_SHOWN]) + more


def _difference(new: Entry | None, old: Entry | None) -> str:
    if old is None:
        return "is new"
    if new is None:
        return "is gone"
    if new.kind is not old.kind:
        return f"was a {old.kind}, is a {new.kind}"
    if new.mode != old.mode:
        return f"has mode {new.mode:04o}, had {old.mode:04o}"
    if new.owner != old.owner:
        return "has another owner"
    return "points elsewhere" if new.link != old.link else "has other content"


def _is_folder(entry: Entry) -> bool:
    return entry.kind is EntryKind.DIRECTORY


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}".strip("/") if folder else name
