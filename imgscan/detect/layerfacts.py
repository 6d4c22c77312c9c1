"""What the detectors want to know of a layer's entries, gathered while they are listed.

In: entries, one by one. Out: `LayerFacts`, of a size that does not grow with the layer's, and kept with its listing;
`FactsBuilder.hide` then takes out what higher layers hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from imgscan.detect import ListedPath
from imgscan.detect.leftbehind import Groups
from imgscan.detect.pathtable import path_table, thresholds
from imgscan.escape import path_text
from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import Stacked
from imgscan.lazyre import lazy_re
from imgscan.model import EntryKind

_SPECIAL_MODES = 0o6002
_WITH_MODES = frozenset((EntryKind.FILE, EntryKind.HARDLINK, EntryKind.DIRECTORY))
_FILE, _SYMLINK = EntryKind.FILE, EntryKind.SYMLINK
_MOST_LARGE = 1_000
_MOST_MODES = 20_000
_MOST_LINKS = 20_000
_PACKAGE_LINK = lazy_re(rb"(?:.*/)?node_modules/(?:@[^/]+/)?[^/.@][^/]*")


class LayerFacts(msgspec.Struct, kw_only=True):
    """One layer: its largest files, what of it the path tables know, the entries whose modes say something, the links
    to packages in node_modules."""

    large: list[ListedEntry] = []
    groups: Groups = msgspec.field(default_factory=Groups)
    modes: list[ListedEntry] = []
    links: list[ListedEntry] = []


class FactsBuilder:
    """Gathers the facts of one layer after the other; the table remembers folders."""

    def __init__(self) -> None:
        self._table = path_table()
        self._knows_name = self._table.knows_name
        self._large_bytes = thresholds()["oversized_file_bytes"]
        self._facts = LayerFacts()
        self._folder: bytes | None = None
        self._is_known = False
        """Whether the table knows the folder of the file before."""

    def observe(self, entry: ListedEntry) -> None:
        """Take an entry of the present layer."""
        kind, path, size = entry.kind, entry.path, entry.size_bytes
        if kind is _FILE:
            folder, _, name = path.rpartition(b"/")
            if folder != self._folder:
                self._folder, self._is_known = folder, self._table.knows_folder(absolute(folder) if folder else "")
            if self._is_known or self._knows_name(name):
                self._facts.groups.add(self._table, absolute(path), size)
            if size >= self._large_bytes:
                self._facts.large.append(entry)
                if len(self._facts.large) > 2 * _MOST_LARGE:
                    self._facts.large = _largest(self._facts.large)
        elif kind is _SYMLINK and len(self._facts.links) < _MOST_LINKS and _is_package_link(path):
            self._facts.links.append(entry)
        if entry.mode & _SPECIAL_MODES and kind in _WITH_MODES and len(self._facts.modes) < _MOST_MODES:
            self._facts.modes.append(entry)

    def finish(self) -> LayerFacts:
        """The facts of the present layer; the next entry begins another one."""
        facts, self._facts = self._facts, LayerFacts()
        facts.large = _largest(facts.large)
        return facts

    def hide(self, facts: LayerFacts, entry: ListedEntry) -> None:
        """Take a file that is no longer visible out of a layer's groups."""
        if entry.kind is EntryKind.FILE:
            facts.groups.add(self._table, absolute(entry.path), entry.size_bytes, sign=-1)


def absolute(path: bytes) -> str:
    """A path of a layer as text, from the root."""
    return "/" + path_text(path)


def large_files(facts: Sequence[LayerFacts], stacked: Stacked) -> Iterable[ListedPath]:
    """The largest files of all layers, with what became of them."""
    for layer, one in enumerate(facts):
        for entry in one.large:
            yield layer, absolute(entry.path), entry.size_bytes, stacked.status_of(layer, entry.path)[0]


def visible_modes(facts: Sequence[LayerFacts], stacked: Stacked) -> Iterable[tuple[int, ListedEntry]]:
    """The visible entries whose modes say something, with their layers."""
    for layer, one in enumerate(facts):
        yield from ((layer, entry) for entry in one.modes if not stacked.is_hidden(layer, entry))


def watched_paths(facts: LayerFacts) -> frozenset[bytes]:
    """The paths of a layer whose status is asked for."""
    return frozenset(entry.path for entry in facts.large)


def _is_package_link(path: bytes) -> bool:
    """Whether a link stands for a package that something imports: not inside of a store, no program."""
    return b"node_modules" in path and b"/.pnpm/" not in path and _PACKAGE_LINK.fullmatch(path) is not None


def _largest(entries: list[ListedEntry]) -> list[ListedEntry]:
    return sorted(entries, key=lambda entry: (-entry.size_bytes, entry.path))[:_MOST_LARGE]
