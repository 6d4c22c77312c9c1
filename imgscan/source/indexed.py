"""An image archive that can be read at any place: an uncompressed tar file, or an OCI layout directory.

A tar file's headers are read once; layers and documents are then windows onto the file, nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from imgscan.errors import InputError
from imgscan.escape import plain
from imgscan.layers.tar import read_entries
from imgscan.layers.tarwindow import ByteStream
from imgscan.model import EntryKind, Skipped
from imgscan.source.config import MAX_JSON_BYTES
from imgscan.source.manifests import Documents
from imgscan.source.members import MAX_MEMBERS, Links, clean_name, member_name, read_head
from imgscan.source.records import LayerBlob
from imgscan.source.select import Selection, select_image


class Members(Documents, Protocol):
    """Documents and layers by name, in any order."""

    def open(self, name: str) -> ByteStream:
        """The content of a layer that `resolve` found."""
        ...

    def position(self, name: str) -> int:
        """Where it lies; reading in this order is fastest."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


class Indexed:
    """An image whose members can be read at any time."""

    def __init__(self, members: Members, *, ref: str, selector: str | None) -> None:
        self._members = members
        self._ref = ref
        self._selector = selector
        self._selection: Selection | None = None

    def selection(self) -> Selection:
        """The image. Raises InputError as `select_image` does."""
        if self._selection is None:
            self._selection = select_image(self._members, ref=self._ref, selector=self._selector)
        return self._selection

    def blobs(self) -> Iterator[LayerBlob]:
        """The image's layers, each blob once, in the order of the file."""
        names = dict.fromkeys(layer.blob for layer in self.selection().image.layers)
        present = [name for name in names if self._members.resolve(name) is not None]
        for name in sorted(present, key=self._members.position):
            yield LayerBlob(name=name, stream=self._members.open(name))

    def close(self) -> None:
        """Close the file."""
        self._members.close()


class FileWindow:
    """A stretch of a file as a stream of its own. Raises InputError when the file cannot be read."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._left = size

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


class TarMembers:
    """The members of an uncompressed tar file. Raises InputError when it is damaged or cut off."""

    def __init__(self, file: BinaryIO, ref: str) -> None:
        self._file = file
        self._links = Links()
        self._places: dict[str, tuple[int, int]] = {}
        for item in read_entries(file, where=ref):
            if isinstance(item, Skipped):
                raise InputError(
                    f"{plain(ref)} is no tar archive that can be read to its end",
                    cause=item.reason,
                    next_step="write it with docker save -o FILE IMAGE, and check that the copy is complete",
                )
            if len(self._places) >= MAX_MEMBERS:
                raise InputError(f"{plain(ref)} has more than {MAX_MEMBERS:,} members, it is no image")
            if item.entry.kind is not EntryKind.FILE:
                self._links.add(item.entry)
            elif not item.entry.sparse:
                self._places[member_name(item.entry)] = (item.offset(), item.entry.size_bytes)

    def read(self, name: str) -> bytes | None:
        """A document by name. Raises InputError if it is larger than any document."""
        found = self.resolve(name)
        if found is None:
            return None
        offset, size = self._places[found]
        if size > MAX_JSON_BYTES:
            raise InputError(f"{plain(name)} in the archive is larger than {MAX_JSON_BYTES:,} bytes")
        return read_head(FileWindow(self._file, offset, size), size)

    def resolve(self, name: str) -> str | None:
        """A member by name, links followed."""
        found = self._links.follow(clean_name(name))
        return found if found in self._places else None

    def open(self, name: str) -> ByteStream:
        """A window onto the member."""
        return FileWindow(self._file, *self._places[name])

    def position(self, name: str) -> int:
        """Its offset in the file."""
        return self._places[name][0]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class DirectoryMembers:
    """The files of an OCI layout directory. Symbolic links are followed as long as they stay inside."""

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
        return FileWindow(file, 0, path.stat().st_size)

    def position(self, name: str) -> int:
        """Files have no order."""
        return 0

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
            inside = path.is_relative_to(self._root) and path.is_file()
        except (OSError, RuntimeError):
            return None
        return path if inside else None
