"""The build context -> the bytes of a tar archive, streamed.

GNU format, never PAX: BuildKit decides on the first 1024 bytes whether it was given an archive or a bare Dockerfile,
and takes a leading PAX (or long-name) header for a Dockerfile. So the first member is always one with a short name.
Layout: GNU tar manual, "Basic Tar Format"; long names and links are `L` and `K` members in front of their own.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.model import EntryKind

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext, ContextFile

_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK
_CHUNK: Final = 1 << 20
_PIECE: Final = 1 << 16
_NAME_BYTES: Final = 100
_DEFAULT_MODE: Final = 0o644
_LONG_NAME: Final = b"././@LongLink"
_FILE, _SYMLINK, _DIRECTORY, _LONG_LINK_TYPE, _LONG_NAME_TYPE = b"0", b"2", b"5", b"K", b"L"


def context_tar(context: BuildContext, replace: Mapping[str, bytes] | None = None) -> Iterator[bytes]:
    """The context as a tar archive, in pieces of about 64 KiB to 1 MiB.

    Owner and group are 0 and unnamed, modes and times of change those of the tree; hard links become files of their
    own, symbolic links stay links. `replace` gives members new contents (and the present time), or adds members; the
    Dockerfile is among them in any case. A file that changes its size while it is read is cut, or padded with
    zeros, to the size it had when its turn came; one that has vanished is left out.
    """
    # The Dockerfile goes as it was read and parsed, whatever lies on the disk by now: base images may be substituted.
    contents = {context.dockerfile: context.dockerfile_text, **(replace or {})}
    written = 0
    waiting = bytearray()
    for piece in _members(context, contents, frozenset(replace or ())):
        written += len(piece)
        waiting += piece
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting) + bytes(2 * _BLOCK + -(written + 2 * _BLOCK) % _RECORD)


def _members(context: BuildContext, contents: dict[str, bytes], replaced: frozenset[str]) -> Iterator[bytes]:
    now = int(time.time())
    first = next((file for file in context.files if _may_come_first(file)), None)
    if first is None:
        yield _header(b"./", kind=_DIRECTORY, mode=0o755, size=0, mtime=now)
    for file in ([first] if first else []) + [file for file in context.files if file is not first]:
        if file.path in contents:
            mode = file.mode if file.kind is EntryKind.FILE else _DEFAULT_MODE
            # Its own text is not new, even if it is not read from the disk again.
            mtime = now if file.path in replaced else _mtime(context, file, now)
            yield from _given(file.path, contents.pop(file.path), mode, mtime)
        else:
            yield from _from_disk(context, file)
    for path, content in sorted(contents.items()):
        yield from _given(path, content, _DEFAULT_MODE, now)


def _mtime(context: BuildContext, file: ContextFile, now: int) -> int:
    try:
        return int(os.lstat(f"{os.fspath(context.root)}/{file.path}").st_mtime)
    except OSError:
        return now


def _may_come_first(file: ContextFile) -> bool:
    """At the root, so that no directory has to stand before it, and with short names only."""
    target = os.fsencode(file.link_target or "")
    return "/" not in file.path and len(os.fsencode(file.path)) < _NAME_BYTES and len(target) <= _NAME_BYTES


def _given(path: str, content: bytes, mode: int, mtime: int) -> Iterator[bytes]:
    yield _header(os.fsencode(path), kind=_FILE, mode=mode, size=len(content), mtime=mtime)
    yield from (content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK))
    yield bytes(-len(content) % _BLOCK)


def _from_disk(context: BuildContext, file: ContextFile) -> Iterator[bytes]:
    path = f"{os.fspath(context.root)}/{file.path}"
    name = os.fsencode(file.path)
    try:
        if file.kind is EntryKind.FILE:
            yield from _copy(path, name, file.mode)
            return
        mtime = int(os.lstat(path).st_mtime)
    except OSError:
        return  # it has vanished, or is no file any more: the archive shows the tree as it is now
    if file.kind is EntryKind.DIRECTORY:
        yield _header(name + b"/", kind=_DIRECTORY, mode=file.mode, size=0, mtime=mtime)
    else:
        target = os.fsencode(file.link_target or "")
        yield _header(name, kind=_SYMLINK, mode=file.mode, size=0, mtime=mtime, link=target)


def _copy(path: str, name: bytes, mode: int) -> Iterator[bytes]:
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(source)
        if stat.S_ISREG(status.st_mode):
            yield _header(name, kind=_FILE, mode=mode, size=status.st_size, mtime=int(status.st_mtime))
            yield from _exactly(source, status.st_size)
            yield bytes(-status.st_size % _BLOCK)
    finally:
        os.close(source)


def _exactly(source: int, size: int) -> Iterator[bytes]:
    """As many bytes as announced, whatever has become of the file; what cannot be read is zeros."""
    left = size
    while left:
        try:
            piece = os.read(source, min(_CHUNK, left))
        except OSError:
            piece = b""
        if not piece:
            break
        left -= len(piece)
        yield piece
    while left:
        piece = bytes(min(_CHUNK, left))
        left -= len(piece)
        yield piece


def _header(name: bytes, *, kind: bytes, mode: int, size: int, mtime: int, link: bytes = b"") -> bytes:
    """The block (or blocks, when a name is long) that stand before a member's content."""
    before = b""
    if len(link) > _NAME_BYTES:
        before += _long(_LONG_LINK_TYPE, link)
    if len(name) > _NAME_BYTES:
        before += _long(_LONG_NAME_TYPE, name)
    return before + _block(name, kind=kind, mode=mode, size=size, mtime=mtime, link=link)


def _long(kind: bytes, text: bytes) -> bytes:
    content = text + b"\0"
    return _block(_LONG_NAME, kind=kind, mode=0, size=len(content), mtime=0) + content + bytes(-len(content) % _BLOCK)


def _block(name: bytes, *, kind: bytes, mode: int, size: int, mtime: int, link: bytes = b"") -> bytes:
    start = b"".join(
        (
            name[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
            _number(mode, 8),
            _number(0, 8),
            _number(0, 8),
            _number(size, 12),
            _number(mtime, 12),
        )
    )
    end = (kind + link[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0") + b"ustar  \0").ljust(_BLOCK - len(start) - 8, b"\0")
    checksum = sum(start) + sum(end) + 8 * 0x20
    return start + b"%06o\0 " % checksum + end


def _number(value: int, width: int) -> bytes:
    """Octal digits, or GNU's base 256 (a marker byte, then two's complement) for what is negative or too large."""
    digits = width - 1
    if 0 <= value < 8**digits:
        return b"%0*o\0" % (digits, value)
    return (b"\x80" if value >= 0 else b"\xff") + value.to_bytes(digits, "big", signed=True)
