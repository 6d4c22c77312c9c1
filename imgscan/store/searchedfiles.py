"""Files that were searched for secrets and held none, kept from one run to the next: they are not searched again.

A layer that is built anew holds mostly files of the one before. Only files that took some searching are kept: most hold
nothing that any rule begins with, which takes hardly longer to see than it would to look them up.

One file of bounded size for all processes of a user: a table of keys, each at the place it names itself, where another
may take its place. Nothing is locked: a key that is lost or half written is one that nobody knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from imgscan.cachedir import is_ours

KEYS: Final = 1 << 20
KEY_BYTES: Final = 16
_FILE: Final = "searched-files"
_FORMAT: Final = 1
"""Of what it means to be kept: keys of another format are not known."""


class SearchedFiles:
    """Remembers files. `version` is that of the rules: what was searched with others is not known. Nothing here raises:
    a table that cannot be trusted, read or written is as good as empty."""

    def __init__(self, folder: Path, version: str) -> None:
        self._version = hashlib.sha256(f"{_FORMAT}\n{version}".encode()).digest()
        self._file = _open(folder)

    def key(self, digest: bytes, path: bytes) -> bytes:
        """What a file is known by: the `listing.content_digest` of its content, and its path, by which it is judged."""
        return hashlib.blake2b(digest + path, digest_size=KEY_BYTES, key=self._version).digest()

    def knows(self, key: bytes) -> bool:
        """Whether such a file was searched and gave nothing."""
        if self._file is None:
            return False
        try:
            return os.pread(self._file, KEY_BYTES, _place(key)) == key
        except OSError:
            return False

    def add(self, key: bytes) -> None:
        """Remember that such a file gave nothing: no secret, no note, nothing that is gleaned."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, key, _place(key))

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _place(key: bytes) -> int:
    return int.from_bytes(key[:8], "little") % KEYS * KEY_BYTES


def _open(folder: Path) -> int | None:
    """The table's file, if nobody else may write to it or to its folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_ours(folder.stat()):
            return None
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(folder / _FILE, flags, 0o600)
    except OSError:
        return None
    facts = os.fstat(file)
    if not is_ours(facts) or not stat.S_ISREG(facts.st_mode):
        os.close(file)
        return None
    return file
