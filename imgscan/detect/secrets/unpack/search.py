"""One document searched with all that is inside it: its own bytes as they lie, and each member as a document.

In: bytes that pass by once. They go to the search of the document itself and, at the same time, to whoever opens it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.places import INSIDE
from imgscan.detect.secrets.unpack.bounds import MOST_HEAVY, MOST_LEVELS, Budget, Notes
from imgscan.detect.secrets.unpack.magic import HEAD_BYTES, Container, recognise
from imgscan.detect.secrets.unpack.members import Member, Opening
from imgscan.detect.secrets.unpack.source import CHUNK_BYTES, Behind, Read, Source, fill
from imgscan.detect.secrets.windows import WINDOW_BYTES
from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.layers.tar import clean_path

_LONGEST_SHOWN: Final = 1024
_NAMELESS: Final = "(no name)"


class Feed(Protocol):
    """A search that is given its document piece by piece."""

    def push(self, data: bytes) -> None:
        """The next piece."""
        ...

    def finish(self) -> list[SecretHit]:
        """What was found, once the document has ended."""
        ...


class Searcher(Protocol):
    """What searches a document as it lies."""

    def search_flat(
        self, read: Read, *, path: str, size: int | None, note: Callable[[str], None] | None
    ) -> list[SecretHit]:
        """The hits in what `read` gives."""
        ...

    def begin_flat(self, *, path: str, size: int | None, note: Callable[[str], None] | None) -> Feed:
        """The same for a document that is handed over in pieces."""
        ...

    def is_clean(self, data: bytes, path: str) -> bool:
        """Whether a whole document holds nothing for sure."""
        ...

    def may_hold(self, data: bytes) -> bool:
        """Whether bytes hold what any known token begins with."""
        ...


@frozen(kw_only=False)
class _Place:
    """Where a document lies: `path` with the path of the outermost file, `inside` without."""

    path: str
    inside: str

    def child(self, name: str) -> _Place:
        return _Place(f"{self.path}{INSIDE}{name}", f"{self.inside}{INSIDE}{name}" if self.inside else name)


def search_opened(
    searcher: Searcher,
    container: Container,
    read: Read,
    *,
    path: str,
    size: int | None,
    note: Callable[[str], None] | None,
    budget: Budget | None = None,
) -> list[SecretHit]:
    """The hits in a document that is a container and in all that is inside it. All of what `read` gives is read."""
    budget, notes = budget or Budget(), Notes()
    opened = _Opened(searcher, budget, notes)

    def counted(count: int) -> bytes:
        data = read(count)
        budget.fed += len(data)
        return data

    place = _Place(path, "")
    hits = opened.container(container, counted, place, place, size, level=1, heavy=0)
    if budget.spent:
        notes.add(budget.spent, "")
    if note is not None:
        notes.tell(note)
    return hits


class _Opened:
    """An outermost file that is being opened."""

    def __init__(self, searcher: Searcher, budget: Budget, notes: Notes) -> None:
        self._searcher = searcher
        self._budget = budget
        self._notes = notes

    def container(
        self,
        container: Container,
        read: Read,
        place: _Place,
        within: _Place,
        size: int | None,
        *,
        level: int,
        heavy: int,
    ) -> list[SecretHit]:
        """A document that is a container; its members' paths begin with `within`."""
        own = self._searcher.begin_flat(path=place.path, size=size, note=self._noting(place))
        tee = _Tee(read, own)
        source = Source(tee.read)
        stored = _Spans()
        hits: list[SecretHit] = []
        source.skip(container.at)
        if container.program:
            behind = recognise(source.peek(HEAD_BYTES))
            container = container if behind is None or behind.program else behind
        if container.walk is None:
            if not container.program:
                self._notes.add(f"there is no reader for {container.name} archives, they are not opened", place.inside)
        elif level > MOST_LEVELS or heavy + container.heavy > MOST_HEAVY:
            self._notes.add("archives in archives are not opened any deeper", place.inside)
        else:
            opening = Opening(
                budget=self._budget,
                notes=self._notes,
                where=place.inside,
                name=place.path.rpartition("/")[2],
                may_hold=self._searcher.may_hold,
            )
            for member in container.walk(source, opening):
                hits += self._member(member, within, level=level, heavy=heavy + container.heavy)
                if member.stored_at is not None and not member.plain:
                    size_bytes = member.size_bytes
                    stored.add(
                        member.stored_at, source.position if size_bytes is None else member.stored_at + size_bytes
                    )
        tee.drain()
        # What a member holds as it is was found twice: in a stored one, and where a compressor left it as it was.
        known = {(hit.rule.id, hit.secret) for hit in hits}
        rest = (hit for hit in own.finish() if not stored.cover(hit.offset) and (hit.rule.id, hit.secret) not in known)
        return hits + [_inside(hit, place) for hit in rest]

    def _member(self, member: Member, within: _Place, *, level: int, heavy: int) -> list[SecretHit]:
        head, ended = fill(member.read, WINDOW_BYTES)
        if not head:
            return []
        place = within.child(_shown(member.name))
        size = len(head) if ended else member.size_bytes
        found = recognise(head, size)
        if found is not None:
            read = Behind(head, member.read).read
            inner = within if member.transparent else place
            return self.container(found, read, place, inner, size, level=level + 1, heavy=heavy)
        if member.plain or (ended and self._searcher.is_clean(head, place.path)):
            return []
        read = Behind(head, member.read).read
        hits = self._searcher.search_flat(read, path=place.path, size=size, note=self._noting(place))
        return [_inside(hit, place) for hit in hits]

    def _noting(self, place: _Place) -> Callable[[str], None]:
        return lambda reason: self._notes.add(reason, place.inside)


def _inside(hit: SecretHit, place: _Place) -> SecretHit:
    return replace(hit, inside=place.inside) if place.inside else hit


def _shown(name: bytes) -> str:
    """A member's name as text; it may be of any length, and lead anywhere."""
    return path_text(clean_path(name)[:_LONGEST_SHOWN]) or _NAMELESS


class _Tee:
    """Hands on what is read, and to a search as well."""

    def __init__(self, read: Read, feed: Feed) -> None:
        self._read = read
        self._feed = feed

    def read(self, size: int, /) -> bytes:
        data = self._read(size)
        if data:
            self._feed.push(data)
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(CHUNK_BYTES):
            pass


class _Spans:
    """Stretches in rising order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)

    def cover(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]
