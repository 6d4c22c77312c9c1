"""Files by path -> what a COPY or a bind mount selects of them, and whether two selections are the same to a builder.

A selection has known entries and, where steps whose output nobody knows wrote below it, the results that hide the rest.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from imgscan.build.cachemodel.records import InputFile, Ref
from imgscan.detect.stages.contextindex import clean_source, find_matches, is_pattern
from imgscan.detect.stages.walk import is_excluded
from imgscan.frozen import frozen
from imgscan.model import EntryKind

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
    """The files of one source, in a tree or apart from one. `prefix` is what stands before an entry's path in messages;
    `hidden` are the results below which unknown files lie, each with the path; `names` is whatever of the source's path
    counts besides the entries; `links` are those whose targets count, with their hashes; `fingerprint` is the hash
    of all of that; `vague`: nobody knows which of the entries count."""

    prefix: str
    fingerprint: int
    tree: Tree | None = None
    path: str = ""
    own: Mapping[str, Entry] = field(default_factory=dict)
    hidden: tuple[tuple[Ref, str], ...] = ()
    names: str = ""
    links: frozenset[tuple[str, int]] = frozenset()
    vague: bool = False

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries by their path in the selection, `""` the selected path itself."""
        return self.own if self.tree is None else dict(self.tree.below(self.path))

    def entry(self, inner: str) -> Entry | None:
        """What is at a path of the selection; `""` is the selected path itself."""
        return self.own.get(inner) if self.tree is None else self.tree.entries.get(_join(self.path, inner))


def make_content(
    prefix: str,
    entries: Mapping[str, Entry],
    hidden: tuple[tuple[Ref, str], ...] = (),
    names: str = "",
    links: frozenset[tuple[str, int]] = frozenset(),
) -> Content:
    """A content that is in no tree."""
    fingerprint = hash((frozenset(entries.items()), links))
    return Content(prefix=prefix, own=entries, hidden=hidden, names=names, fingerprint=fingerprint, links=links)


@frozen
class Tree:
    """Files by path, relative to the root `""`, folders above them included; `children` are names by folder.
    `fingerprints` remembers the hashes of what was asked for."""

    entries: Mapping[str, Entry]
    children: Mapping[str, tuple[str, ...]]
    fingerprints: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """The folder's entries by their path in it, itself first as `""`."""
        waiting = [""]
        while waiting:
            inner = waiting.pop()
            path = f"{folder}/{inner}".strip("/")
            yield inner, self.entries[path]
            waiting += [f"{inner}/{name}".lstrip("/") for name in self.children.get(path, ())]

    def fingerprint(self, path: str) -> int:
        """The hash of a path with everything below it."""
        waiting = [path]
        while waiting:
            at = waiting[-1]
            names = self.children.get(at, ())
            unknown = [child for name in names if (child := _join(at, name)) not in self.fingerprints]
            if unknown:
                waiting += unknown
                continue
            inside = frozenset((name, self.fingerprints[_join(at, name)]) for name in names)
            self.fingerprints[at] = hash((self.entries[at], inside))
            waiting.pop()
        return self.fingerprints[path]

    def edited(self, changed: Mapping[str, Entry]) -> Tree:
        """The tree with other entries at these paths, or new ones; what lies beside them is not hashed again."""
        entries, fingerprints = {**self.entries}, dict(self.fingerprints)
        children = {**self.children}
        for path, entry in changed.items():
            if path not in entries:
                _grow(entries, children, path)
            entries[path] = entry
            for above in (path, *folders_above(path)):
                fingerprints.pop(above, None)
        return Tree(entries=entries, children=children, fingerprints=fingerprints)

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

    def names(self, folder: str) -> tuple[str, ...]:
        """What lies directly in a folder."""
        return self.children.get(folder, ())

    def has(self, path: str) -> bool:
        """Whether there is anything of that path."""
        return path in self.entries

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that path."""
        entry = self.entries.get(path)
        return entry is not None and entry.kind is EntryKind.DIRECTORY

    def select(self, source: str, excludes: tuple[str, ...] = (), *, deep: bool = False) -> tuple[Content, ...]:
        """What a source names: one content for a plain path, one for each match of a pattern; none for nothing.
        `deep`: see `find_matches`."""
        cleaned = clean_source(source)
        if not is_pattern(cleaned):
            path = self.resolve(cleaned)
            return () if path is None else (self._content(path, cleaned, excludes),)
        found: list[Content] = []
        for match in find_matches(self, cleaned, deep=deep):
            path = self.resolve(match)
            if path is not None:
                found.append(self._content(path, match, excludes))
        return tuple(found)

    def _content(self, path: str, shown: str, excludes: tuple[str, ...]) -> Content:
        if excludes:
            entries = {inner: e for inner, e in self.below(path) if not inner or not is_excluded(excludes, inner)}
            # With patterns BuildKit looks at each path by itself, and follows those that are links.
            links = {inner: self.resolve(_join(path, inner)) for inner, e in entries.items() if _is_link(e)}
            targets = frozenset((inner, self.fingerprint(to)) for inner, to in links.items() if to is not None)
            return make_content(shown, entries, names=shown, links=targets)
        return Content(prefix=shown, tree=self, path=path, names=shown, fingerprint=self.fingerprint(path))


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


def _grow(entries: dict[str, Entry], children: dict[str, tuple[str, ...]], path: str) -> None:
    """Make room for a path: its name in its folder, and the folders that are not there."""
    for above in folders_above(path):
        children[above] = (*children.get(above, ()), posixpath.basename(path))
        if above in entries:
            return
        entries[above] = FOLDER
        path = above


@frozen
class ContextTree:
    """The tree of a context and the files it was made from."""

    files: tuple[InputFile, ...]
    tree: Tree


def context_tree(files: tuple[InputFile, ...], *, folder_modes: bool, like: ContextTree | None = None) -> ContextTree:
    """The context as a tree; without `folder_modes` those of folders do not count. `like`: the tree of a context that
    most likely differs in a few files only."""
    if like is not None and len(like.files) <= len(files):
        pairs = [(new, old) for new, old in zip(files, like.files, strict=False) if new is not old]
        if all(new.path == old.path for new, old in pairs):
            added = {new.path: _entry(new, folder_modes) for new in files[len(like.files) :]}
            changed = {new.path: _entry(new, folder_modes) for new, old in pairs if new != old}
            return ContextTree(files=files, tree=like.tree.edited({**changed, **added}))
    return ContextTree(files=files, tree=grow_tree((file.path, _entry(file, folder_modes)) for file in files))


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
    verdict = _compare_entries(after, before, same_result)
    return Verdict.UNKNOWN if verdict is Verdict.OTHER and after.vague and before.vague else verdict


def _compare_entries(after: Content, before: Content, same_result: Callable[[Ref, Ref], Verdict]) -> Verdict:
    equal = after.fingerprint == before.fingerprint
    if not after.hidden and not before.hidden:
        return Verdict.SAME if equal else Verdict.OTHER
    if _compare_hidden(after, before, same_result) is Verdict.SAME:
        return Verdict.SAME if equal else Verdict.OTHER
    old = before.entries
    if any(entry != old.get(path, entry) for path, entry in after.entries.items()):
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
    more = 0
    for path, new, old in _changes(after, before):
        if len(changed) == _MAX_SHOWN:
            more += 1
            continue
        name = _join(after.prefix if new else before.prefix, path) or "."
        changed.append(f"{name} {_difference(new, old)}")
    if not changed and after.links != before.links:
        return f"what {min(after.links ^ before.links)[0]} points to changed"
    if not changed:
        return f"{before.prefix or '.'} is now {after.prefix or '.'}" if after.names != before.names else ""
    return ", ".join(changed) + (f" and {more} more" if more else "")


def _changes(after: Content, before: Content) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """The paths that differ, with their entries; folders of the same fingerprint are not entered."""
    if after.tree is None or before.tree is None:
        new, old = after.entries, before.entries
        for path in sorted(new.keys() | old.keys()):
            if new.get(path) != old.get(path):
                yield path, new.get(path), old.get(path)
        return
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        paths = (_join(after.path, inner), _join(before.path, inner))
        now, then = after.tree.entries.get(paths[0]), before.tree.entries.get(paths[1])
        if (
            now is not None
            and then is not None
            and after.tree.fingerprint(paths[0]) == before.tree.fingerprint(paths[1])
        ):
            continue
        if now != then:
            yield inner, now, then
        names = {*after.tree.children.get(paths[0], ()), *before.tree.children.get(paths[1], ())}
        waiting += [_join(inner, name) for name in sorted(names, reverse=True)]


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


def _is_link(entry: Entry) -> bool:
    return entry.kind is EntryKind.SYMLINK


def _join(folder: str, name: str) -> str:
    if not name:
        return folder
    return f"{folder}/{name}" if folder else name


def folders_above(path: str) -> Iterator[str]:
    """The folders above a path, the root `""` last."""
    while path:
        path = posixpath.dirname(path)
        yield path
