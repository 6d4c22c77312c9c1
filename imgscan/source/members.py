"""The members of an image archive by what they hold: layer, document, link. Shared by every way an archive is read."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import path_text
from imgscan.layers.codec import sniff
from imgscan.layers.tar import Entry, clean_path
from imgscan.layers.tarheader import BLOCK_BYTES, is_header
from imgscan.layers.tarwindow import ByteStream
from imgscan.model import EntryKind

HEAD_BYTES: Final = BLOCK_BYTES
MAX_MEMBERS: Final = 500_000
MAX_DOCUMENTS_BYTES: Final = 256 << 20
"""All documents of one archive together; one alone is bounded by `config.MAX_JSON_BYTES`."""

_MAX_LINKS: Final = 64
_BLOB_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


def member_name(entry: Entry) -> str:
    """The name of a member as manifests spell it."""
    return path_text(entry.path)


def is_layer(name: str, head: bytes) -> bool:
    """Whether a member is a layer, by its first bytes; by its name only when these say nothing."""
    if is_header(head) or sniff(head) is not None:
        return True
    if head.lstrip(b" \t\r\n")[:1] in (b"{", b"[") or head[:4] == b"null":
        return False
    return name.endswith(_BLOB_ENDINGS) or name.startswith("blobs/")


@dataclass(slots=True)
class Links:
    """Symbolic and hard links between members: old docker save writes a layer that comes twice as a link."""

    targets: dict[str, str] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Note a link; its target is confined to the archive."""
        if entry.kind not in (EntryKind.SYMLINK, EntryKind.HARDLINK) or entry.link_target is None:
            return
        if len(self.targets) >= MAX_MEMBERS:
            raise InputError(f"the archive has more than {MAX_MEMBERS:,} members, it is no image")
        target = entry.link_target
        if entry.kind is EntryKind.SYMLINK:
            target = clean_path(posixpath.join(posixpath.dirname(entry.path), target))
        self.targets[member_name(entry)] = path_text(target)

    def follow(self, name: str) -> str | None:
        """Where a name leads in the end, itself if it is no link; None for a cycle."""
        for _ in range(_MAX_LINKS):
            if name not in self.targets:
                return name
            name = self.targets[name]
        return None


def read_head(stream: ByteStream, size: int) -> bytes:
    """The first `size` bytes, fewer only if there are no more."""
    head = b""
    while len(head) < size and (data := stream.read(size - len(head))):
        head += data
    return head


class PrefixedStream:
    """A stream whose first bytes were read already."""

    __slots__ = ("_head", "_stream")

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)


def clean_name(name: str) -> str:
    """A manifest's spelling of a member's name: no `./` in front."""
    return path_text(clean_path(name.encode("utf-8", "surrogateescape")))
