"""Hard links: which names share one file's content, within a layer and across layers.

A file's bytes are shipped once, by the layer that has them, and are there as long as one of its names is. In: the links
of the listings. Out: `LinkGroups`, told of every name that goes, which says in the end what content went with them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from imgscan.layers.blocks import Blocks, ListedEntry
from imgscan.model import EntryKind, WasteCause

if TYPE_CHECKING:
    from imgscan.layers.listing import LayerListing

Time = tuple[int, int]
"""Layer and `order` of an entry: when it comes to be. A layer's whiteouts come before its entries, at order -1."""


class Loss(msgspec.Struct, frozen=True, gc=False, order=True):
    """Why content is no longer there: the key of the upper-most path that went, the cause, and when it was."""

    top: bytes
    cause: WasteCause
    time: Time


class HardLink(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """A name for the content of `target`; `order` as in `ListedEntry`. `via` is the order of the entry of its own layer
    that it leads to, None if that is not in the layer; `digest` and `size_bytes` are then the content's."""

    path: bytes
    target: bytes
    order: int
    via: int | None = None
    digest: bytes | None = None
    size_bytes: int = 0


def resolve_in_layer(links: Sequence[HardLink], items: Iterable[ListedEntry]) -> tuple[HardLink, ...]:
    """The links of one layer, in their order, with what they lead to in it."""
    if not links:
        return ()
    wanted = {link.target for link in links}
    there: dict[bytes, list[ListedEntry]] = {}
    for entry in items:
        if entry.path in wanted:
            there.setdefault(entry.path, []).append(entry)
    resolved: dict[int, HardLink] = {}
    for link in sorted(links, key=lambda one: one.order):
        # Entries of a path come in their order.
        entries = there.get(link.target, [])
        before = bisect_left(entries, link.order, key=_order)
        found = entries[before - 1] if before else None
        if found is not None and found.kind is EntryKind.FILE:
            link = msgspec.structs.replace(link, via=found.order, digest=found.digest, size_bytes=found.size_bytes)
        elif found is not None and (other := resolved.get(found.order)) is not None and other.via is not None:
            link = msgspec.structs.replace(link, via=found.order, digest=other.digest, size_bytes=other.size_bytes)
        resolved[link.order] = link
    return tuple(resolved.values())


_order = attrgetter("order")


class LinksOfLayer:
    """A layer's links by what they lead to."""

    def __init__(self, links: Iterable[HardLink]) -> None:
        self._by_target: dict[int, list[HardLink]] = {}
        for link in links:
            if link.via is not None:
                self._by_target.setdefault(link.via, []).append(link)

    def to(self, order: int) -> Iterator[HardLink]:
        """Those that lead to the entry of that order, straight or through another one. A link leads to an entry before
        its own, so there is no ring."""
        found = list(self._by_target.get(order, ()))
        for link in found:
            yield link
            found += self._by_target.get(link.order, ())


@dataclass(slots=True)
class _Name:
    """One name of a group. `via` is the name it links to, None for the file itself; `gone` when and why it went.
    `inside`: it lies below the path it links to, so it comes to be only once that is a directory. `counts`: it really
    shares the content."""

    time: Time
    via: _Name | None
    inside: bool = False
    gone: tuple[Time, Loss] | None = None
    counts: bool = True

    def settle(self) -> None:
        """See whether it counts: what it links to does, and was still there. That one is settled."""
        if self.via is None:
            return
        gone = self.via.gone
        # A file may be replaced by a link to itself: both happen at once.
        went = gone is not None and (gone[0] < self.time or (self.inside and gone[0] == self.time))
        self.counts = self.via.counts and not went


@dataclass(slots=True)
class _Group:
    """A file and the names of its content. `digest` and `size_bytes` are the content's."""

    digest: bytes | None
    size_bytes: int
    names: list[_Name] = field(default_factory=list)


class LinkGroups:
    """All files that have more than one name. Names are known by their `Time`."""

    def __init__(self, listings: Sequence[LayerListing]) -> None:
        self._groups: list[_Group] = []
        self._of: dict[Time, tuple[_Group, _Name]] = {}
        for layer, listing in enumerate(listings):
            lower: list[HardLink] = []
            for link in sorted(listing.links, key=lambda one: one.order):
                if link.via is None:
                    lower.append(link)
                else:
                    self._join(layer, link, (layer, link.via))
            if lower and layer:
                self._join_lower(layer, lower, listings)

    def __contains__(self, time: Time) -> bool:
        return time in self._of

    def digest(self, time: Time) -> bytes | None:
        """The digest of the content that a name stands for."""
        found = self._of.get(time)
        return found[0].digest if found is not None else None

    def gone(self, time: Time, when: Time, why: Loss) -> None:
        """A name goes."""
        self._of[time][1].gone = (when, why)

    def settle(self) -> tuple[list[tuple[Time, int, Loss]], set[Time]]:
        """When every name was told: the content that went, as (the entry that shipped it, bytes, why its last name
        went), and the names that went although their content is still there."""
        lost: list[tuple[Time, int, Loss]] = []
        kept: set[Time] = set()
        for group in self._groups:
            # A name joins after the one it links to.
            for name in group.names:
                name.settle()
            names = [name for name in group.names if name.counts]
            ends = [name.gone for name in names if name.gone is not None]
            if len(ends) < len(names):
                kept.update(name.time for name in names if name.gone is not None)
            else:
                lost.append((group.names[0].time, group.size_bytes, max(ends)[1]))
        return lost, kept

    def _join(self, layer: int, link: HardLink, via: Time) -> None:
        if via not in self._of:
            owner: _Name = _Name(via, None)
            group = _Group(link.digest, link.size_bytes, [owner])
            self._groups.append(group)
            self._of[via] = (group, owner)
        group, target = self._of[via]
        name = _Name((layer, link.order), target, inside=link.path.startswith(link.target + b"/"))
        group.names.append(name)
        self._of[name.time] = (group, name)

    def _join_lower(self, layer: int, links: Sequence[HardLink], listings: Sequence[LayerListing]) -> None:
        """Links to files of lower layers, which builders that do not copy up write."""
        wanted = {link.target for link in links}
        there: dict[bytes, tuple[Time, ListedEntry]] = {}
        for below in range(layer):
            for entry in _among(listings[below].items, wanted):
                there[entry.path] = ((below, entry.order), entry)
        for link in links:
            if link.target not in there:
                continue
            time, entry = there[link.target]
            if entry.kind is EntryKind.FILE or (entry.kind is EntryKind.HARDLINK and time in self._of):
                found = msgspec.structs.replace(link, digest=entry.digest, size_bytes=entry.size_bytes)
                self._join(layer, found, time)
                # Further links of the layer to this name share the content through it.
                linked = ListedEntry(
                    path=link.path, kind=EntryKind.HARDLINK, size_bytes=entry.size_bytes, mode=0, uid=0, gid=0
                )
                there[link.path] = ((layer, link.order), msgspec.structs.replace(linked, digest=entry.digest))


def _among(items: Blocks, paths: set[bytes]) -> Iterable[ListedEntry]:
    return (entry for entry in items if entry.path in paths)
