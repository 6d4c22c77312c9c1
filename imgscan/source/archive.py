"""Image archives (docker save, OCI; plain or compressed; a file, standard input or a layout directory) -> ImageReader.

What a file is, its first bytes say; names and endings are not looked at.
"""

from __future__ import annotations

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
from imgscan.source.indexed import DirectoryMembers, Indexed, TarMembers
from imgscan.source.members import read_head
from imgscan.source.platforms import Platform
from imgscan.source.records import Image, ImageReader, LayerBlob
from imgscan.source.select import Held, Selection
from imgscan.source.stream import OnePass


def open_archive(path: Path, selector: str | None = None, platform: Platform | None = None) -> ImageReader:
    """An archive file, or an OCI layout directory. `selector` and `platform` say which image where there are several.

    Raises InputError: no such file, not an image, damaged, no such image in it.
    """
    ref = str(path)
    try:
        if path.is_dir():
            members = DirectoryMembers(path)
            return IndexedReader(
                Indexed(members, ref=ref, selector=selector, platform=platform), ref=ref, kind="layout"
            )
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{plain(ref)} cannot be read", cause=error.strerror or plain(str(error))) from error
    try:
        return _open(file, ref, selector, platform)
    except BaseException:
        file.close()
        raise


def list_archive(path: Path) -> tuple[Held, ...]:
    """The images of an archive file or a layout directory; none where it is a tar archive of something else. One that
    is compressed is read to its end. Raises InputError: it cannot be read, is damaged, or its image is incomplete."""
    with closing(open_archive(path)) as reader:
        if isinstance(reader, OnePassReader):
            return reader.held()
        return reader.held() if isinstance(reader, IndexedReader) else ()


def open_stdin(selector: str | None = None, platform: Platform | None = None) -> ImageReader:
    """The archive that standard input brings. Raises InputError."""
    if sys.stdin.buffer.isatty():
        raise InputError("standard input is a terminal", next_step="docker save IMAGE | imgscan scan -")
    return OnePassReader(sys.stdin.buffer, ref="standard input", selector=selector, platform=platform, owns_file=False)


def _open(file: BinaryIO, ref: str, selector: str | None, platform: Platform | None) -> ImageReader:
    regular = stat.S_ISREG(Path(ref).stat().st_mode)
    if not regular:
        return OnePassReader(file, ref=ref, selector=selector, platform=platform)
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
        return IndexedReader(Indexed(members, ref=ref, selector=selector, platform=platform), ref=ref, kind="archive")
    try:
        codec.begin()
    except CodecMissingError as error:
        raise InputError(f"{plain(ref)} cannot be unpacked: {error}", next_step="install that package") from error
    return OnePassReader(file, ref=ref, selector=selector, platform=platform)


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

    def __init__(
        self,
        file: BinaryIO,
        *,
        ref: str,
        selector: str | None,
        platform: Platform | None = None,
        owns_file: bool = True,
    ) -> None:
        self.ref = ref
        self._file = file
        self._owns_file = owns_file
        self._selector = selector
        self._platform = platform
        self._selection: Selection | None = None

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer of the archive as it comes by. Raises InputError."""
        source = self._one_pass()
        yield from source.blobs()
        self._selection = source.select(ref=self.ref, selector=self._selector, platform=self._platform)

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
        stream = open_layer(_FileStream(self._file, self.ref), where=self.ref, verify=False)
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
