"""The members of an image archive by what they hold: layer, document, link. Shared by every way an archive is read."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from imgscan.escape import path_text, plain
from imgscan.layers.codec import sniff
from imgscan.layers.tar import Entry, clean_path
from imgscan.layers.tarheader import BLOCK_BYTES, is_header
from imgscan.layers.tarwindow import ByteStream
from imgscan.model import EntryKind, Skipped

HEAD_BYTES: Final = BLOCK_BYTES
WHOLE: Final = "archive"
"""What is said to be wrong with an archive itself is said of this place."""
MAX_MEMBERS: Final = 200_000
MAX_DOCUMENTS_BYTES: Final = 256 << 20
"""All documents of one archive together; one alone is bounded by `config.MAX_JSON_BYTES`."""

_MAX_LINKS: Final = 64
_MAX_REPEATS: Final = 500
_BLOB_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


What = TypeVar("What")


class TooManyMembersError(Exception):
    """The archive is no image's; the message says so."""


def member_name(entry: Entry) -> str:
    """The name of a member as manifests spell it."""
    return path_text(entry.path)


def is_packed(head: bytes) -> bool:
    """Whether a member that begins so is an archive or compressed: what layers are."""
    return is_header(head) or sniff(head) is not None


def is_layer(name: str, head: bytes) -> bool:
    """Whether a member is a layer, by its first bytes; by its name only when these say nothing."""
    if is_packed(head):
        return True
    if head.lstrip(b" \t\r\n")[:1] in (b"{", b"[") or head[:4] == b"null":
        return False
    return name.endswith(_BLOB_ENDINGS) or name.startswith("blobs/")


@dataclass(slots=True)
class MemberTable(Generic[What]):
    """The members of an archive by name, as they lie once an engine has unpacked it: an entry takes the place of any
    earlier one of its name, a hard link means what its target is then, a symbolic link what it leads to in the end.

    Old docker save writes a layer that comes twice as a link.
    """

    _files: dict[str, What] = field(default_factory=dict)
    _links: dict[str, str] = field(default_factory=dict)
    _replaced: dict[str, list[What | None]] = field(default_factory=dict)
    _members: int = 0

    def count(self) -> int:
        """Count one more member. Raises TooManyMembersError."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise TooManyMembersError(f"it has more than {MAX_MEMBERS:,} members and is no image")
        return self._members

    def add(self, entry: Entry, what: What | None) -> None:
        """Enter a member: a file with `what` is to be known of it, anything else without."""
        name = member_name(entry)
        if name in self._files or name in self._links:
            self._replace(name)
        if what is not None:
            self._files[name] = what
        elif entry.link_target is not None:
            target = entry.link_target
            if entry.kind is EntryKind.SYMLINK:
                target = clean_path(posixpath.join(posixpath.dirname(entry.path), target))
            existing = self._files.get(path_text(target)) if entry.kind is EntryKind.HARDLINK else None
            if existing is not None:
                self._files[name] = existing
            else:
                self._links[name] = path_text(target)

    def find(self, name: str) -> What | None:
        """The file that a name leads to; None for one that is not there and for a cycle."""
        name = clean_name(name)
        for _ in range(_MAX_LINKS):
            if name not in self._links:
                return self._files.get(name)
            name = self._links[name]
        return None

    def notes(self, same: Callable[[What, What], bool]) -> tuple[Skipped, ...]:
        """What makes the archive mean one thing to engines and another to programs that take the first of a name:
        files that came again and were not the `same`."""
        return tuple(
            Skipped(where=plain(name), reason="it is in the archive twice, and differs; the last of them was read")
            for name, earlier in self._replaced.items()
            if not all(self._is_same(name, what, same) for what in earlier)
        )

    def _is_same(self, name: str, earlier: What | None, same: Callable[[What, What], bool]) -> bool:
        left = self._files.get(name)
        return earlier is not None and left is not None and (earlier is left or same(earlier, left))

    def _replace(self, name: str) -> None:
        earlier = self._files.pop(name, None)
        self._links.pop(name, None)
        known = self._replaced.setdefault(name, [])
        if len(known) >= _MAX_REPEATS or len(self._replaced) > _MAX_REPEATS:
            raise TooManyMembersError("too many of its members come more than once")
        known.append(earlier)


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
