"""Content that lies in files of its own, or in stretches of one: opened by name, and by no other way than that.

In: a folder or a file, and names. Out: descriptors of regular files. Raises StoreError where something is not what it
was said to be.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from imgscan.source.records import StoreError

_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Directory:
    """Opens files below a directory by path, following no symbolic link, upwards least of all. Directories are kept
    open as long as neighbours are asked for, since files come folder by folder."""

    identity = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[tuple[bytes, int]] = []
        self._last: tuple[bytes | None, int] = None, -1

    def open(self, name: bytes, size: int) -> int:
        """A descriptor of a regular file of `size` bytes. Raises StoreError for anything else."""
        folder, _, last = name.rpartition(b"/")
        known, descriptor = self._last
        try:
            if folder != known:
                descriptor = self._folder(folder)
            # Before it is opened: a layer may hold a device, with some of which opening alone does something.
            facts = os.stat(last, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
                raise StoreError("a file of the store is not what was recorded")
            return os.open(last, _FILE_FLAGS, dir_fd=descriptor)
        except (OSError, ValueError) as error:
            raise StoreError(f"a file of the store cannot be opened: {error}") from error

    def release(self, file: int) -> None:
        """Close a file."""
        os.close(file)

    def close(self) -> None:
        """Close all directories."""
        self._last = None, -1
        while self._open:
            os.close(self._open.pop()[1])

    def _folder(self, path: bytes) -> int:
        self._last = None, -1
        if not self._open:
            self._open.append((b"", os.open(self.path, _FOLDER_FLAGS)))
        while len(self._open) > 1 and self._open[-1][0] != path and not path.startswith(self._open[-1][0] + b"/"):
            os.close(self._open.pop()[1])
        known = self._open[-1][0]
        rest = path[len(known) + 1 if known else 0 :]
        for part in rest.split(b"/") if rest else ():
            if part in (b"", b".", b".."):
                raise ValueError("a path with parts that are no names")
            known = known + b"/" + part if known else part
            self._open.append((known, os.open(part, _FOLDER_FLAGS, dir_fd=self._open[-1][1])))
        self._last = self._open[-1]
        return self._last[1]


class OneFile:
    """A single file, of which stretches are read. Raises StoreError if it is not the one of that device and inode."""

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self.path = path
        self.identity = identity
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"the file cannot be opened again: {error.strerror}") from error
        facts = os.fstat(self._file)
        if (facts.st_dev, facts.st_ino) != identity:
            os.close(self._file)
            raise StoreError("another file has taken its place")

    def open(self, name: bytes, size: int) -> int:
        """The file's descriptor."""
        return self._file

    def release(self, file: int) -> None:
        """Keep it open."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class PlacedFiles:
    """Bytes of the files of a layer that lie by themselves below a folder (None: they do not)."""

    def __init__(self, root: Path | None) -> None:
        self._directory = Directory(root) if root is not None else None

    def read_at(self, path: bytes, size: int, offset: int, length: int) -> bytes | None:
        """`length` bytes of a file of `size` bytes, None if they cannot be had."""
        if self._directory is None:
            return None
        try:
            file = self._directory.open(path, size)
        except StoreError:
            return None
        try:
            data = os.pread(file, length, offset)
        finally:
            os.close(file)
        return data if len(data) == length else None

    def close(self) -> None:
        """Close all directories."""
        if self._directory is not None:
            self._directory.close()
