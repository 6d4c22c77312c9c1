"""Secrets in the names of files, the targets of links and the further texts of an entry: names in, hits by entry out.

Names are searched many at once, since one by one would take longer than all contents; what is found never spans two.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from imgscan.detect.secrets.filekinds import ALONE
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.scanner import SecretScanner

_BETWEEN: Final = b"\0\n"
"""Neither a space nor a dot of any pattern matches the NUL, and no name holds one."""
_BETWEEN_BYTES: Final = len(_BETWEEN)
_AT_ONCE: Final = 256 << 10


class NameSearch:
    """Collects names and searches them. `hits` are pairs of an entry's path and a hit in one of its texts; `note` is
    told when there were so many of a kind that the rest was left out."""

    def __init__(self, scanner: SecretScanner, note: Callable[[str], None]) -> None:
        self.hits: list[tuple[bytes, SecretHit]] = []
        self._scanner = scanner
        self._note = note
        self._known = b""
        self._folder: bytes | None = None
        """What is known but for its slash, where that is more than a slash."""
        self._paths: list[bytes] = []
        self._texts: list[bytes] = []
        self._bytes = 0

    def add(self, path: bytes, *further: bytes | None, is_directory: bool = False) -> None:
        """Take an entry's path, and what else it is called or says. Of the path only what the one before it did not
        have is looked at: else a folder's name would be found again in each of its files."""
        folder, _, text = path.rpartition(b"/")
        if folder != self._folder or is_directory:
            known = self._known
            text = path[len(known) :] if known and path.startswith(known) else path
            self._known = path + b"/" if is_directory else path[: path.rfind(b"/") + 1]
            self._folder = self._known[:-1] or None
        self._paths.append(path)
        self._texts.append(text)
        self._bytes += len(text) + _BETWEEN_BYTES
        if self._bytes >= _AT_ONCE:
            self._search()
        for other in further:
            if other:
                self._take(path, other)

    def finish(self) -> None:
        """Search what is left."""
        if self._texts:
            self._search()

    def _take(self, path: bytes, text: bytes) -> None:
        self._paths.append(path)
        self._texts.append(text)
        self._bytes += len(text) + _BETWEEN_BYTES
        if self._bytes >= _AT_ONCE:
            self._search()

    def _search(self) -> None:
        data = _BETWEEN.join(self._texts)
        found = self._scanner.scan_bytes(data, path=ALONE, note=self._note)
        if found:
            starts, at = [], 0
            for text in self._texts:
                starts.append(at)
                at += len(text) + len(_BETWEEN)
            for hit in found:
                index = bisect_right(starts, hit.offset) - 1
                if hit.offset + len(hit.secret) <= starts[index] + len(self._texts[index]):
                    self.hits.append((self._paths[index], hit))
        self._paths, self._texts, self._bytes = [], [], 0
