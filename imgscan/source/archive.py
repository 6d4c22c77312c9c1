"""Image archives (docker save, OCI; plain or compressed; a file, standard input or a layout directory) -> ImageReader.

What a file is, its first bytes say; names and endings are not looked at.
"""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain
from imgscan.layers.blob import open_layer
from imgscan.layers.codec import SNIFF_BYTES, CodecMissingError, sniff
from imgscan.model import Skipped
from imgscan.source import looks_like_a_path
from imgscan.source.choice import Asked
from imgscan.source.indexed import DirectoryMembers, Indexed, TarMembers
from imgscan.source.members import WHOLE, read_head
from imgscan.source.platforms import Platform
from imgscan.source.records import Image, ImageReader, LayerBlob
from imgscan.source.select import Held, Selection
from imgscan.source.stream import OnePass


def open_archive(
    path: Path, selector: str | None = None, platform: Platform | None = None
) -> IndexedReader | OnePassReader:
    """An archive file, or an OCI layout directory. `selector` and `platform` say which image where there are several.

    Raises InputError: no such file, not an image, damaged, no such image in it.
    """
    asked = Asked(ref=str(path), target=_as_target(path), selector=selector, platform=platform)
    ref = asked.ref
    try:
        if path.is_dir():
            return IndexedReader(Indexed(DirectoryMembers(path), asked), ref=ref, kind="layout")
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{plain(ref)} cannot be read", cause=error.strerror or plain(str(error))) from error
    try:
        return _open(file, asked)
    except BaseException:
        file.close()
        raise


def list_archive(path: Path) -> tuple[Held, ...]:
    """The images of an archive file or a layout directory; none where it is a tar archive of something else. One that
    is compressed is read to its end. Raises InputError: it cannot be read, is damaged, or its image is incomplete."""
    with closing(open_archive(path)) as reader:
        return reader.held()


def open_stdin(selector: str | None = None, platform: Platform | None = None) -> ImageReader:
    """The archive that standard input brings. Raises InputError."""
    # Python has none where it was closed before.
    if sys.stdin is None or sys.stdin.closed or sys.stdin.buffer.isatty():
        state = "a terminal" if sys.stdin is not None and not sys.stdin.closed else "closed"
        raise InputError(f"standard input is {state}", next_step="docker save IMAGE | imgscan scan -")
    asked = Asked(ref="standard input", target="-", selector=selector, platform=platform)
    return OnePassReader(sys.stdin.buffer, asked, owns_file=False)


def _as_target(path: Path) -> str:
    """A path as a command line names it where an image's name is to follow."""
    from shlex import quote

    text = str(path)
    return quote(text if looks_like_a_path(text) else f"./{text}")


def _can_seek(file: BinaryIO) -> bool:
    """Whether any place of a file can be had: the kernel's own have no end that is known."""
    try:
        file.seek(0, io.SEEK_END)
        file.seek(0)
    except OSError:
        return False
    return True


def _open(file: BinaryIO, asked: Asked) -> IndexedReader | OnePassReader:
    ref = asked.ref
    if not stat.S_ISREG(Path(ref).stat().st_mode) or not _can_seek(file):
        return OnePassReader(file, asked)
    try:
        head = read_head(file, SNIFF_BYTES)
    except OSError as error:
        raise InputError(f"{plain(ref)} cannot be read", cause=error.strerror or plain(str(error))) from error
    if not head:
        raise InputError(f"{plain(ref)} is empty")
    file.seek(0)
    codec = sniff(head)
    if codec is None:
        members = TarMembers(file, ref)
        return IndexedReader(Indexed(members, asked), ref=ref, kind="archive")
    try:
        codec.begin()
    except CodecMissingError as error:
        raise InputError(f"{plain(ref)} cannot be unpacked: {error}", next_step="install that package") from error
    return OnePassReader(file, asked)


class IndexedReader:
    """An image whose parts can be read in any order: `image` is valid at any time."""

    is_known = True

    def __init__(self, source: Indexed, *, ref: str, kind: str) -> None:
        self._source = source
        self.ref = ref
        self.kind = kind

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer blob of the image once, in the order of the file."""
        return self._source.blobs()

    def image(self) -> Image:
        """The image."""
        return self._source.selection().image

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """Attestations and other JSON of the image."""
        return self._source.selection().documents

    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be read."""
        return self._source.selection().skipped

    def held(self) -> tuple[Held, ...]:
        """Every image that there is."""
        return self._source.held()

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class OnePassReader:
    """An image from an archive that is read front to back: `image` is valid once `blobs` is exhausted."""

    kind = "archive"
    is_known = False

    def __init__(self, file: BinaryIO, asked: Asked, *, owns_file: bool = True) -> None:
        self.ref = asked.ref
        self._file = file
        self._owns_file = owns_file
        self._asked = asked
        self._selection: Selection | None = None

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer of the archive as it comes by. Raises InputError."""
        source = self._one_pass()
        yield from source.blobs()
        self._selection = source.select(self._asked)

    def held(self) -> tuple[Held, ...]:
        """Every image that there is; reads the archive to its end, instead of `blobs`. Raises InputError."""
        source = self._one_pass()
        for _ in source.blobs():
            pass
        return source.held(ref=self.ref)

    def image(self) -> Image:
        """The image."""
        return self._selected().image

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """Attestations and other JSON of the image."""
        return self._selected().documents

    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be read."""
        return self._selected().skipped

    def close(self) -> None:
        """Close the file."""
        if self._owns_file:
            self._file.close()

    def _one_pass(self) -> OnePass:
        stream = open_layer(_FileStream(self._file, self.ref), where=WHOLE, verify=False)
        return OnePass(stream, broken=self._broken)

    def _selected(self) -> Selection:
        if self._selection is None:
            raise RuntimeError("the image is known only after its last blob")
        return self._selection

    def _broken(self, reason: str) -> ImgscanError:
        return InputError(
            f"{plain(self.ref)} is no image archive that can be read to its end",
            cause=reason,
            next_step="write it with docker save -o FILE IMAGE, and check that the copy is complete",
        )


class _FileStream:
    """A file, its errors as InputError."""

    def __init__(self, file: BinaryIO, ref: str) -> None:
        self._file = file
        self._ref = ref

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise InputError(f"{plain(self._ref)} cannot be read", cause=plain(str(error))) from error
