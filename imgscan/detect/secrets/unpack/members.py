"""What all container formats give: their members in order, each readable until the next one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imgscan.detect.secrets.unpack.bounds import Budget, Notes
from imgscan.detect.secrets.unpack.source import Read, Source
from imgscan.frozen import frozen


@frozen
class Member:
    """A document inside a container.

    `name` is as it stands there. `size_bytes` is what the container says, if it says it. `stored_at` is where the
    content lies in the container as it is, so that it was searched there too; None if it is compressed. A `transparent`
    one has no name of its own in paths if it is a container itself (the tar of a tar.gz). A `plain` one was searched as
    part of its container well enough, unless it is a container itself (an object file of a static library).
    """

    name: bytes
    read: Read
    size_bytes: int | None = None
    stored_at: int | None = None
    transparent: bool = False
    plain: bool = False


@frozen
class Opening:
    """What opening a container needs to know and tell. `where` is its path inside the outermost file ("" for that
    itself), `name` its file name; `may_hold` says whether bytes hold what any known token begins with."""

    budget: Budget
    notes: Notes
    where: str
    name: str
    may_hold: Callable[[bytes], bool]

    def trouble(self, reason: str) -> None:
        """Something of it cannot be read; of no interest once a bound is reached, which cuts everything."""
        if not self.budget.spent:
            self.notes.add(reason, self.where)


Walk = Callable[[Source, Opening], Iterator[Member]]
"""Gives the members of a container that begins where the source stands, and leaves the source behind its end."""
