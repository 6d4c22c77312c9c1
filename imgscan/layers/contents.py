"""The contents of a layer's larger files, for finding the same content twice. In: listed files. Out: compact bytes, and
the `Content`s in them."""

from __future__ import annotations

from typing import Final

import msgspec

from imgscan.layers.blocks import ListedEntry
from imgscan.layers.codec import zstd_pair

DUPLICATE_MIN_BYTES: Final = 4096
"""Smaller equal files are licences and empty modules, not worth a line of the report."""
MOST_CONTENTS: Final = 100_000
"""So many of a layer are kept, the largest: what is left out of a layer of more files is small beside it."""


class Content(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """A file by its content: `digest` is the first eight bytes of its `content_digest`; `order` as in `ListedEntry`."""

    path: bytes
    order: int
    size_bytes: int
    digest: int


class ContentsBuilder:
    """Collects the contents of one layer."""

    def __init__(self) -> None:
        self._contents: list[Content] = []
        self._least = DUPLICATE_MIN_BYTES

    def add(self, entry: ListedEntry) -> None:
        """Take a file."""
        if entry.size_bytes < self._least or entry.digest is None:
            return
        digest = int.from_bytes(entry.digest[:8])
        self._contents.append(Content(path=entry.path, order=entry.order, size_bytes=entry.size_bytes, digest=digest))
        if len(self._contents) > 2 * MOST_CONTENTS:
            self._contents.sort(key=lambda content: (-content.size_bytes, content.path))
            del self._contents[MOST_CONTENTS:]
            self._least = self._contents[-1].size_bytes

    def finish(self) -> bytes:
        """The contents, sorted by path; of two entries for one path the one that is on disk."""
        last: dict[bytes, Content] = {}
        for content in self._contents:
            known = last.get(content.path)
            if known is None or known.order < content.order:
                last[content.path] = content
        kept = sorted(last.values(), key=lambda content: (-content.size_bytes, content.path))[:MOST_CONTENTS]
        kept.sort(key=lambda content: content.path)
        return zstd_pair()[0](msgspec.msgpack.encode(kept))


def read_contents(data: bytes) -> list[Content]:
    """The contents of a layer, sorted by path."""
    return _decoder.decode(zstd_pair()[1](data)) if data else []


_decoder: Final = msgspec.msgpack.Decoder(list[Content])
