"""The merge of layers: every path of every layer in the order of paths, and what takes it away.

In: listings, base first. Out: a `Stacking` with the bytes that went, by what hid them. Everything that happens to a
path has a time, layer before layer and entry before entry; what comes first after an entry's own time hides it.
Stretches of paths that only one layer has are passed over unread, so the work goes by what layers have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from imgscan.layers.blocks import ListedEntry, is_below
from imgscan.layers.links import LinkGroups, Loss, Time
from imgscan.layers.listing import LayerListing
from imgscan.layers.merge import Group, merge_paths
from imgscan.model import EntryKind, Status, WasteCause

_CONTENT_KINDS: Final = frozenset((EntryKind.FILE, EntryKind.HARDLINK))
_GONE: Final = frozenset((WasteCause.DELETED, WasteCause.OPAQUE))
_NEVER: Final[Time] = (1 << 62, 0)


class Hidden(Protocol):
    """Is told of every entry that another one hides."""

    def __call__(self, layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        """`status` is None where only the name is: of a directory that a higher layer lists again, of a file that has
        another name, and of an entry whose path its own layer lists again."""
        ...


class Lost(Protocol):
    """Is told of every file whose bytes are not visible."""

    def __call__(self, layer: int, path: bytes, size: int, /) -> None:
        """`path` is where the layer has the content, whatever other names it had."""
        ...


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that takes away what is at a path or below it. `top` is the key of the path it happens at, `below` why
    what is below goes, `entry` what its layer puts there instead."""

    time: Time
    top: bytes
    below: WasteCause
    entry: ListedEntry | None = None
    whiteout: bool = False
    opaque: bool = False


class _Whiteout:
    """A whiteout whose target is being looked for. `loose` counts the whiteouts of its layer below it that remove
    nothing: they do not count where this one removes them all."""

    __slots__ = ("found", "loose", "since", "time")

    def __init__(self, time: Time, since: Time, *, found: bool) -> None:
        self.time = time
        self.since = since
        self.found = found
        self.loose = 0


class _Held:
    """An entry that is no directory, at a path that has entries below it: the first of these that comes after it hides
    it."""

    __slots__ = ("child", "entry", "event", "is_last", "time")

    def __init__(self, time: Time, entry: ListedEntry, event: Event | None, *, is_last: bool) -> None:
        self.time = time
        self.entry = entry
        self.event = event
        self.is_last = is_last
        self.child = _NEVER


class _Frame:
    """A path that has something to say to what is below it. `cuts` are all that act there, outer ones included, in
    their order."""

    __slots__ = ("cuts", "held", "key", "layers", "whiteouts")

    def __init__(
        self, key: bytes, cuts: list[Event], whiteouts: list[_Whiteout], held: list[_Held], layers: frozenset[int]
    ) -> None:
        self.key = key
        self.cuts = cuts
        self.whiteouts = whiteouts
        self.held = held
        self.layers = layers

    def hear(self, time: Time) -> None:
        """Take note of an entry below."""
        for whiteout in self.whiteouts:
            if not whiteout.found and whiteout.since < time < whiteout.time:
                whiteout.found = True
        for held in self.held:
            if held.time < time < held.child:
                held.child = time


class Stacking:
    """One merge; `run` once. `lost` counts bytes and files by loss and shipping layer, `dangling` the whiteouts of each
    layer that remove nothing."""

    def __init__(self, listings: Sequence[LayerListing], hidden: Hidden, lost: Lost) -> None:
        self._listings = listings
        self._hidden = hidden
        self._tell_lost = lost
        self._links: LinkGroups = LinkGroups(listings)
        self._linked: list[tuple[Time, ListedEntry, Status | None, int]] = []
        self._frames: list[_Frame] = []
        self.lost: dict[tuple[Loss, int], tuple[int, int]] = {}
        self.dangling = [0] * len(listings)

    def run(self) -> Stacking:
        """Merge all of it."""
        for group in merge_paths(self._listings, self._may_pass):
            self._settle_group(group)
        self._leave(None)
        lost, kept = self._links.settle()
        # A content went because all of its names did, that of the file itself among them.
        paths = {time: entry.path for time, entry, _, _ in self._linked} if lost else {}
        for time, size, why in lost:
            self._lose(time[0], paths[time], size, why)
        for time, entry, status, by in self._linked:
            self._hidden(time[0], entry, None if time in kept else status, by)
        return self

    def _may_pass(self, key: bytes, layer: int) -> bool:
        """Whether nothing around the next path acts on, or waits for, entries of a layer."""
        self._leave(key)
        if not self._frames:
            return True
        cuts = self._frames[-1].cuts
        return not any(frame.held for frame in self._frames) and (not cuts or cuts[-1].time <= (layer, -1))

    def _settle_group(self, group: Group) -> None:
        """What becomes of the entries of one path."""
        key, entries = group.key, group.entries
        for frame in self._frames:
            for time, _ in entries:
                frame.hear(time)
        outer = self._frames[-1].cuts if self._frames else []
        last = {time[0]: entry for time, entry in entries}
        removals = [_removal(key, layer, last.get(layer), opaque=layer in group.opaques) for layer in group.whiteouts]
        watched = [self._watch(removal, removals, outer, entries) for removal in removals]
        layers = frozenset(last)
        held: list[_Held] = []
        for (time, entry), after in zip(entries, _followers(key, entries), strict=True):
            event = _first_after(time, outer, removals, after)
            is_last = last[time[0]] is entry
            if group.below and entry.kind is not EntryKind.DIRECTORY:
                held.append(_Held(time, entry, event, is_last=is_last))
            elif event is not None:
                self._go(time, entry, event, key, layers, is_last=is_last)
            elif entry is not entries[-1][1]:
                # Only directories go on under a later entry.
                self._hidden(time[0], entry, None, entries[-1][0][0])
        cuts = _cuts(group, removals) if group.below else []
        if cuts or held:
            merged = sorted([*outer, *cuts], key=lambda event: event.time)
            self._frames.append(_Frame(key, merged, watched, held, layers))
            return
        for whiteout in watched:
            self._settle_whiteout(whiteout)

    def _watch(
        self, removal: Event, removals: list[Event], outer: list[Event], entries: list[tuple[Time, ListedEntry]]
    ) -> _Whiteout:
        """A whiteout, and whether an entry at its very path is what it removes."""
        before = [event.time for event in (*outer, *removals) if event.time < removal.time]
        since = max(before, default=(-1, -1))
        if any(event.time == removal.time and not event.whiteout for event in outer):
            since = removal.time  # its own layer has emptied a directory around it
        found = any(since < time < removal.time for time, _ in entries)
        return _Whiteout(removal.time, since, found=found)

    def _leave(self, key: bytes | None) -> None:
        """Leave the frames that a path does not lie in (None: all)."""
        while self._frames and (key is None or not is_below(key, self._frames[-1].key)):
            frame = self._frames.pop()
            for held in frame.held:
                event = held.event
                if held.child != _NEVER and (event is None or held.child < event.time):
                    event = Event(held.child, frame.key, WasteCause.TYPE_CHANGED)
                if event is not None:
                    self._go(held.time, held.entry, event, frame.key, frame.layers, is_last=held.is_last)
            for whiteout in frame.whiteouts:
                self._settle_whiteout(whiteout)

    def _settle_whiteout(self, whiteout: _Whiteout) -> None:
        if whiteout.found:
            return
        loose = whiteout.loose + 1
        layer = whiteout.time[0]
        for frame in reversed(self._frames):
            for outer in frame.whiteouts:
                if outer.time[0] == layer:
                    outer.loose += loose
                    return
        self.dangling[layer] += loose

    def _go(
        self, time: Time, entry: ListedEntry, event: Event, key: bytes, layers: frozenset[int], *, is_last: bool
    ) -> None:
        """An entry is hidden by an event. `layers` have entries at its path; `is_last`: none of its own layer's comes
        after it there."""
        by = event.time[0]
        cause = self._cause(time, entry, event, key)
        why = Loss(event.top, cause, event.time)
        replaced = by in layers or (event.top == key and cause not in _GONE)
        status: Status | None = Status.OVERWRITTEN if replaced else Status.DELETED
        if not is_last:
            status = None
        if time in self._links:
            self._links.gone(time, event.time, why)
            self._linked.append((time, entry, status, by))
            return
        if entry.kind is EntryKind.FILE:
            self._lose(time[0], entry.path, entry.size_bytes, why)
        self._hidden(time[0], entry, status, by)

    def _cause(self, time: Time, entry: ListedEntry, event: Event, key: bytes) -> WasteCause:
        if event.top != key or entry.kind is EntryKind.DIRECTORY:
            return event.below
        other = event.entry
        if event.whiteout and other is None and not event.opaque:
            return WasteCause.DELETED
        if other is None or entry.kind not in _CONTENT_KINDS or other.kind not in _CONTENT_KINDS:
            return WasteCause.TYPE_CHANGED
        old = self._digest(time, entry)
        # What a whiteout's layer puts in place may itself be a link of that layer.
        new = self._digest((event.time[0], other.order), other)
        return WasteCause.METADATA_ONLY if old is not None and old == new else WasteCause.OVERWRITTEN

    def _digest(self, time: Time, entry: ListedEntry) -> bytes | None:
        return entry.digest if entry.kind is EntryKind.FILE else self._links.digest(time)

    def _lose(self, layer: int, path: bytes, size: int, why: Loss) -> None:
        if size:
            self._tell_lost(layer, path, size)
            total, files = self.lost.get((why, layer), (0, 0))
            self.lost[(why, layer)] = (total + size, files + 1)


def _cuts(group: Group, removals: list[Event]) -> list[Event]:
    """What at a path acts on all that is below it."""
    cuts = [*removals, *(_opaque(group.key, layer) for layer in group.opaques if layer not in group.whiteouts)]
    replacing = ((time, entry) for time, entry in group.entries if entry.kind is not EntryKind.DIRECTORY)
    return cuts + [_replacement(group.key, time, entry) for time, entry in replacing]


def _removal(key: bytes, layer: int, item: ListedEntry | None, *, opaque: bool) -> Event:
    """A whiteout; of a directory that its layer makes again only the content goes."""
    if item is None and not opaque:
        below = WasteCause.DELETED
    elif item is None or item.kind is EntryKind.DIRECTORY:
        below = WasteCause.OPAQUE
    else:
        below = WasteCause.TYPE_CHANGED
    return Event((layer, -1), key, below, item, whiteout=True, opaque=opaque)


def _opaque(key: bytes, layer: int) -> Event:
    return Event((layer, -1), key, WasteCause.OPAQUE, opaque=True)


def _replacement(key: bytes, time: Time, entry: ListedEntry) -> Event:
    return Event(time, key, WasteCause.TYPE_CHANGED, entry)


def _followers(key: bytes, entries: list[tuple[Time, ListedEntry]]) -> list[Event | None]:
    """For each entry of a path the later entry of it that takes its place; a directory goes on under a directory."""
    after: list[Event | None] = []
    following: tuple[Time, ListedEntry] | None = None
    other: tuple[Time, ListedEntry] | None = None
    for time, entry in reversed(entries):
        is_directory = entry.kind is EntryKind.DIRECTORY
        found = other if is_directory else following
        after.append(_replacement(key, *found) if found is not None else None)
        following = (time, entry)
        if not is_directory:
            other = following
    return after[::-1]


def _first_after(time: Time, outer: list[Event], removals: list[Event], after: Event | None) -> Event | None:
    """What hides an entry; of two things at once the one farther up."""
    candidates = (
        next((event for event in outer if event.time > time), None),
        next((event for event in removals if event.time > time), None),
        after,
    )
    return min((event for event in candidates if event is not None), key=lambda event: event.time, default=None)
