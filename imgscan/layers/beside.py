"""What a layer carries that no engine unpacks, searched like its files: the index of an eStargz layer behind the end of
the archive, and what lies between the frames of the compression.

In: a layer's stream, read to the end of its archive. Out: whatever is found goes to the `Search`; no entry is listed.
"""

from __future__ import annotations

import io
from typing import Final, Protocol

from imgscan.layers.blob import LayerStream
from imgscan.layers.tar import Entry, TarEntry, read_entries
from imgscan.model import EntryKind, Skipped

ASIDE: Final = b"beside the compressed data"
"""What stands in for the path of what was found there."""


class Search(Protocol):
    """As much of `listing.Search` as is needed here."""

    def see(self, entry: Entry) -> None:
        """Look at an entry of whatever kind."""
        ...

    def search_beside(self, item: TarEntry) -> None:
        """Look at what reads like a regular file and is none of the layer's."""
        ...


def search_index(stream: LayerStream, search: Search | None, where: str) -> list[Skipped]:
    """Read the index that follows the archive, if one does; what is wrong with it. Further entries behind it are
    searched too, but nothing should be there."""
    notes: list[Skipped] = []
    count = 0
    while stream.at_index():
        for item in read_entries(stream, where=where):
            if isinstance(item, Skipped):
                notes.append(item)
                continue
            count += 1
            if search is not None:
                _search_only(item, search)
    if count > 1:
        reason = f"{count - 1:,} entries lie hidden behind the end of the archive; they were searched"
        notes.append(Skipped(where=where, reason=reason))
    return notes


def search_aside(stream: LayerStream, search: Search) -> None:
    """Search what the compression carries besides its content, once all of it was read."""
    for data in stream.aside():
        import tarfile

        info = tarfile.TarInfo(ASIDE.decode())
        info.size = len(data)
        for item in read_entries(io.BytesIO(info.tobuf() + data + bytes(-len(data) % tarfile.BLOCKSIZE))):
            if isinstance(item, TarEntry):
                _search_only(item, search)


def _search_only(item: TarEntry, search: Search) -> None:
    search.see(item.entry)
    if item.entry.kind is EntryKind.FILE:
        search.search_beside(item)
