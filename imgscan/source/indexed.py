"""An image archive that can be read at any place: an uncompressed tar file, or an OCI layout directory.

A tar file's headers are read once; layers and documents are then windows onto the file, nothing is copied.
"""

from __future__ import annotations

import errno
import io
import itertools
import operator
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from imgscan.errors import InputError
from imgscan.escape import plain
from imgscan.frozen import frozen
from imgscan.layers.blob import hidden_reason
from imgscan.layers.tar import TarEntry, read_entries
from imgscan.layers.tarwindow import CHUNK_BYTES, ByteStream, ContentPlace
from imgscan.model import EntryKind, Skipped
from imgscan.source.choice import Asked
from imgscan.source.config import MAX_JSON_BYTES
from imgscan.source.manifests import Documents
from imgscan.source.members import (
    HEAD_BYTES,
    WHOLE,
    MemberTable,
    TooManyMembersError,
    clean_name,
    is_layer,
    member_name,
    read_head,
)
from imgscan.source.records import LayerBlob
from imgscan.source.select import Held, Selection, held_images, select_image


class Members(Documents, Protocol):
    """Documents and layers by name, in any order."""

    def open(self, name: str) -> ByteStream:
        """The content of a layer that `resolve` found."""
        ...

    def position(self, name: str) -> int | None:
        """Where such a file lies, None if there is none; reading in this order is fastest."""
        ...

    def notes(self) -> tuple[Skipped, ...]:
        """What of the whole is ambiguous."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


class Indexed:
    """An image whose members can be read at any time."""

    def __init__(self, members: Members, asked: Asked) -> None:
        self._members = members
        self._asked = asked
        self._selection: Selection | None = None

    def selection(self) -> Selection:
        """The image. Raises InputError as `select_image` does."""
        if self._selection is None:
            found = select_image(self._members, self._asked)
            self._selection = replace(found, skipped=(*found.skipped, *self._members.notes()))
        return self._selection

    def held(self) -> tuple[Held, ...]:
        """Every image that there is. Raises InputError as `held_images` does."""
        return held_images(self._members, ref=self._asked.ref)

    def blobs(self) -> Iterator[LayerBlob]:
        """The image's layers, each blob once, in the order of the file."""
        image = self.selection().image
        names = dict.fromkeys(layer.blob for layer in image.layers)
        places = ((self._members.position(name), name) for name in names)
        present = [(place, name) for place, name in places if place is not None]
        for _, name in sorted(present, key=operator.itemgetter(0)):
            yield LayerBlob(name=name, stream=self._members.open(name), hashes=image.hashes(name))

    def close(self) -> None:
        """Close the file."""
        self._members.close()


class FileWindow:
    """A stretch of a file as a stream of its own. Raises InputError when the file cannot be read."""

    places_any = True

    def __init__(self, file: BinaryIO, offset: int, size: int, path: Path | None = None) -> None:
        self._file = file
        self._offset = offset
        self._left = size
        self._start = offset
        self._end = offset + size
        self._path = path
        self._identity = _identity(file) if path is not None else None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        size = min(size, self._left)
        if size <= 0:
            return b""
        try:
            self._file.seek(self._offset)
            data = self._file.read(size)
        except OSError as error:
            raise InputError("the archive cannot be read", cause=plain(str(error))) from error
        self._offset += len(data)
        self._left -= len(data)
        return data

    def place_at(self, offset: int, size: int) -> ContentPlace | None:
        """Where the `size` bytes at an offset of the window lie in the file, if it has a name and all of them."""
        at = self._start + offset
        if self._path is None or self._identity is None or at + size > self._end:
            return None
        return ContentPlace(root=self._path, size=size, offset=at, identity=self._identity)

    def seekable(self) -> bool:
        """True: what is not wanted need not be read."""
        return True

    def seek(self, count: int, whence: int = 1, /) -> int:
        """Move forwards from the position, the only way that is offered."""
        if whence != 1 or count < 0:
            raise ValueError("a window moves forwards only")
        self._offset += count
        self._left -= count
        return self._offset


class _Whole(FileWindow):
    """A whole archive; what its reader gives back lies behind its end."""

    _back = b""

    def unread(self, data: bytes, /, *, archive_ended: bool) -> None:
        """Take back what was read ahead."""
        self._back = data

    def hidden(self) -> int:
        """How many bytes that are not zero lie behind the end."""
        count = len(self._back) - self._back.count(0)
        while self._over_hole() and (data := self.read(CHUNK_BYTES)):
            count += len(data) - data.count(0)
        return count

    def _over_hole(self) -> bool:
        """Move over a hole of the file, which may be of any size; False if nothing but one is left."""
        try:
            start = os.lseek(self._file.fileno(), self._offset, os.SEEK_DATA)
        except (OSError, ValueError) as error:
            # Some file systems do not know where holes are, and some files are none of the system's.
            return not isinstance(error, OSError) or error.errno != errno.ENXIO
        self._left -= start - self._offset
        self._offset = start
        return True


@frozen(kw_only=False)
class _Place:
    """Where a file lies in the archive: its `number`th member, from `offset` on in one piece unless it is sparse.
    `member` is what it is called, `name` tells it from others of that name."""

    name: str
    member: str
    number: int
    offset: int
    size: int
    sparse: bool


def _identity(file: BinaryIO) -> tuple[int, int] | None:
    """Device and inode of an open file; None for what is no file of the system's."""
    try:
        facts = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino


class TarMembers:
    """The members of an uncompressed tar file. Raises InputError when it is damaged or cut off."""

    def __init__(self, file: BinaryIO, ref: str) -> None:
        self._file = file
        name = getattr(file, "name", None)
        self._path = Path(name) if isinstance(name, str) else None
        self._size = file.seek(0, io.SEEK_END)
        self._members: MemberTable[_Place] = MemberTable()
        self._places: dict[str, _Place] = {}
        try:
            whole = _Whole(self._file, 0, self._size)
            for item in read_entries(whole, where=ref):
                if isinstance(item, Skipped):
                    raise InputError(
                        f"{plain(ref)} is no tar archive that can be read to its end",
                        cause=item.reason,
                        next_step="write it with docker save -o FILE IMAGE, and check that the copy is complete",
                    )
                self._add(item)
        except TooManyMembersError as error:
            raise InputError(f"{plain(ref)} is no image archive", cause=str(error)) from None
        self._hidden = whole.hidden()

    def read(self, name: str) -> bytes | None:
        """A document by name. Raises InputError if it is larger than any document."""
        place = self._members.find(name)
        if place is None:
            return None
        if place.size > MAX_JSON_BYTES:
            raise InputError(f"{plain(name)} in the archive is larger than {MAX_JSON_BYTES:,} bytes")
        return read_head(self.open(place.name), place.size)

    def resolve(self, name: str) -> str | None:
        """What a member's name leads to, links followed; `open` knows it by this."""
        place = self._members.find(name)
        return place.name if place is not None else None

    def open(self, name: str) -> ByteStream:
        """The content of the member."""
        place = self._places[name]
        if not place.sparse:
            return FileWindow(self._file, place.offset, place.size, self._path)
        return _SparseMember(self._entries(name), place.number)

    def position(self, name: str) -> int | None:
        """Its offset in the file."""
        return self._places[name].offset if name in self._places else None

    def notes(self) -> tuple[Skipped, ...]:
        """What of the archive is ambiguous, or lies behind its end."""
        notes = self._members.notes(self._same)
        return (*notes, Skipped(where=WHOLE, reason=hidden_reason(self._hidden))) if self._hidden else notes

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _entries(self, where: str) -> Iterator[TarEntry | Skipped]:
        return read_entries(FileWindow(self._file, 0, self._size), where=where)

    def _same(self, one: _Place, other: _Place) -> bool:
        # Of layers that differ one is not what its diffID says, whichever is taken.
        if all(is_layer(place.member, read_head(self.open(place.name), HEAD_BYTES)) for place in (one, other)):
            return True
        if one.size != other.size or one.size > MAX_JSON_BYTES:
            return False
        return read_head(self.open(one.name), one.size) == read_head(self.open(other.name), other.size)

    def _add(self, item: TarEntry) -> None:
        entry, number = item.entry, self._members.count()
        if entry.kind is not EntryKind.FILE:
            self._members.add(entry, None)
            return
        # A name may come again, and what comes then is another file; no name of a member begins with a slash.
        member = member_name(entry)
        name = member if member not in self._places else f"/{number}/{member}"
        place = _Place(name, member, number, item.offset(), entry.size_bytes, entry.sparse)
        self._places[name] = place
        self._members.add(entry, place)


class _SparseMember:
    """A member whose content has holes: found again by reading the archive's headers up to it."""

    def __init__(self, entries: Iterator[TarEntry | Skipped], number: int) -> None:
        # The iterator is kept: without it the content could not be read any more.
        self._entries = entries
        found = next(itertools.islice(entries, number - 1, None), None)
        self._entry = found if isinstance(found, TarEntry) else None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        return self._entry.read(size) if self._entry is not None else b""


class DirectoryMembers:
    """The files of an OCI layout directory. Symbolic links are followed as long as they stay inside: InputError for one
    that does not."""

    _MAX_NAME_BYTES: Final = 4096

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._open: list[BinaryIO] = []

    def read(self, name: str) -> bytes | None:
        """A document by name. Raises InputError if it is too large or cannot be read."""
        path = self._path(name)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                data = file.read(MAX_JSON_BYTES + 1)
        except OSError as error:
            raise InputError(f"{plain(name)} cannot be read", cause=plain(str(error))) from error
        if len(data) > MAX_JSON_BYTES:
            raise InputError(f"{plain(name)} is larger than {MAX_JSON_BYTES:,} bytes")
        return data

    def resolve(self, name: str) -> str | None:
        """A file by name, symbolic links followed: a layer that lies there twice is one."""
        path = self._path(name)
        if path is None:
            return None
        found = str(path.relative_to(self._root))
        return found if found.isprintable() else clean_name(name)

    def open(self, name: str) -> ByteStream:
        """The file. Raises InputError if it cannot be read."""
        self.close()
        path = self._root / name
        try:
            file = path.open("rb")
        except OSError as error:
            raise InputError(f"{plain(name)} cannot be read", cause=plain(str(error))) from error
        self._open.append(file)
        return FileWindow(file, 0, path.stat().st_size, path)

    def position(self, name: str) -> int | None:
        """Files have no order."""
        return 0 if self._path(name) is not None else None

    def notes(self) -> tuple[Skipped, ...]:
        """Nothing: a name is one file."""
        return ()

    def close(self) -> None:
        """Close the file that was opened last."""
        while self._open:
            self._open.pop().close()

    def _path(self, name: str) -> Path | None:
        clean = clean_name(name)
        if not clean or len(clean) > self._MAX_NAME_BYTES or "\0" in clean:
            return None
        try:
            path = (self._root / clean).resolve()
            is_file = path.is_file()
        except (OSError, RuntimeError):
            return None
        if is_file and not path.is_relative_to(self._root):
            raise InputError(
                f"{plain(name)} is a symbolic link to outside of the layout, which is not followed",
                cause="a layout that anybody may have made could name any file of this machine",
                next_step=f"copy it with what its links lead to: cp -rL {plain(self._root.name)} COPY",
            )
        return path if is_file else None
