"""hyperscan databases: compiled from patterns, kept on disk between runs.

Compiling takes seconds, loading a compiled database a few milliseconds. A cached database is native data for a C
library, so it is used only if this user alone can have written it and its digest is right. It holds no secret: only
automata of published patterns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from imgscan.cachedir import is_ours
from imgscan.detect.secrets.patterntext import in_parts, tokens, with_open_counts
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from hyperscan import Database

_MAGIC: Final = b"imgscan-db-2\n"
_ESCAPE: Final = lazy_re(rb"\\.", re.DOTALL)
_SPACE: Final = rb"\t\n\f\r "
_DIGEST_BYTES: Final = 32
_FORM: Final = "re2-space-1 words-4 open-1"
"""Of what is made of a pattern before it is compiled; another one where that changes."""
OPEN_FROM: Final = 200
"""Where fewer counts than this are left open, too, some patterns make the search itself slower by a tenth."""
OPEN_FROM_FOR_FEW: Final = 25
"""For patterns that are looked for in few files."""
_WORDS: Final = 4
"""A choice of more words than a few has hyperscan follow all of the pattern everywhere, in place of looking for words
first: twice the time."""
_KEPT: Final = 6
_WRITING: Final = ".writing-"
_ABANDONED_S: Final = 3600
_LARGEST: Final = 64 * 1024 * 1024


def load_database(
    patterns: Sequence[bytes], cache: Path | None, *, open_from: int = OPEN_FROM
) -> tuple[Database | None, tuple[int, ...]]:
    """A block mode database of `patterns` (None if there are none), from the cache or compiled, and the indices of the
    patterns that hyperscan refuses. It finds at least what they match: see `with_open_counts` for `open_from`.

    A cache that cannot be read, trusted or written is as good as none.
    """
    key = _cache_key(patterns, open_from)
    kept = _read(cache / f"{key}.hsdb", key) if cache is not None else None
    if kept is not None:
        return kept
    database, refused = _compile_accepted([with_open_counts(with_re2_space(each), open_from) for each in patterns])
    if cache is not None and database is not None:
        _write(cache, key, database, refused)
    _give_back_memory()
    return database, refused


def with_re2_space(pattern: bytes) -> bytes:
    """A pattern whose blanks are those of RE2. To hyperscan, as to PCRE, a vertical tab is one, too: it would find less
    where a pattern asks for anything but blanks. Elsewhere it finds more, which is looked at again."""
    return b"".join(map(_with_re2_space, tokens(pattern)))


def _with_re2_space(token: bytes) -> bytes:
    if token == b"\\S":
        return b"[^" + _SPACE + b"]"
    if token.startswith(b"[^"):
        return _ESCAPE.sub(lambda escape: _SPACE if escape[0] == b"\\s" else escape[0], token)
    return token


def _cache_key(patterns: Sequence[bytes], open_from: int) -> str:
    from hyperscan._version import __version__

    parts = [f"{_FORM} {open_from}", __version__, platform.machine(), sys.platform, *(p.hex() for p in patterns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _compile(patterns: Sequence[bytes], ids: Sequence[int]) -> Database:
    import hyperscan

    parts = [
        (part, number) for pattern, number in zip(patterns, ids, strict=True) for part in in_parts(pattern, _WORDS)
    ]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[part for part, _ in parts],
        ids=[number for _, number in parts],
        elements=len(parts),
        flags=[0] * len(parts),
    )
    return database


def _compile_accepted(patterns: Sequence[bytes]) -> tuple[Database | None, tuple[int, ...]]:
    """A database of the patterns that hyperscan takes, and the indices of the others; each is tried alone only when all
    together are refused."""
    import hyperscan

    everything = range(len(patterns))
    if not patterns:
        return None, ()
    try:
        return _compile(patterns, everything), ()
    except hyperscan.HyperscanError:
        accepted = [i for i in everything if _compiles(patterns[i])]
    refused = tuple(sorted(set(everything) - set(accepted)))
    return (_compile([patterns[i] for i in accepted], accepted) if accepted else None), refused


def _give_back_memory() -> None:
    """A hundred megabytes that compiling took and that nothing needs any more, least of all processes forked from this
    one; glibc would keep them for later."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _compiles(pattern: bytes) -> bool:
    import hyperscan

    try:
        _compile([pattern], [0])
    except hyperscan.HyperscanError:
        return False
    return True


def _read(path: Path, key: str) -> tuple[Database, tuple[int, ...]] | None:
    """A cached database, or None if it is missing, foreign, writable by others, damaged or of another library."""
    import hyperscan

    kept = _read_trusted(path)
    if kept is None:
        return None
    magic, digest, refused, blob = kept
    if magic != _MAGIC or _digest(key, refused, blob) != digest:
        return None
    try:
        return hyperscan.loadb(blob, hyperscan.HS_MODE_BLOCK), tuple(int(i) for i in refused.split())
    except (hyperscan.HyperscanError, ValueError):
        return None


def _digest(key: str, refused: bytes, blob: bytes) -> bytes:
    """Of what a file holds, and for which patterns."""
    return blake3(key.encode() + refused).update(blob).digest()


def _read_trusted(path: Path) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Magic, digest, first line and rest of a regular file that belongs to this user, in a directory that belongs to
    this user, neither writable by anybody else; no link is followed."""
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        file = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        os.close(directory)
        return None
    try:
        facts = os.fstat(file)
        trusted = is_ours(os.fstat(directory)) and is_ours(facts) and stat.S_ISREG(facts.st_mode)
        if not trusted or facts.st_size >= _LARGEST:
            return None
        # Each part as it is needed: a database is megabytes, and every copy of it takes as long as to load it.
        with os.fdopen(file, "rb", closefd=False) as stream:
            head = stream.read(len(_MAGIC)), stream.read(_DIGEST_BYTES), stream.readline()
            return *head, stream.read(_LARGEST)
    except OSError:
        return None
    finally:
        os.close(file)
        os.close(directory)


def _write(cache: Path, key: str, database: Database, refused: tuple[int, ...]) -> None:
    """Keep a database: written beside its place and renamed, so a reader sees all of it or nothing."""
    import tempfile

    import hyperscan

    first, blob = b" ".join(str(i).encode() for i in refused) + b"\n", hyperscan.dumpb(database)
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_WRITING, dir=cache)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines((_MAGIC, _digest(key, first, blob), first, blob))
        os.replace(name, cache / f"{key}.hsdb")  # noqa: PTH105 - the temporary name is text
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the temporary name is text
    _forget_old(cache)


def _forget_old(cache: Path) -> None:
    """Remove all but the newest databases: each change of a rule or of the library makes another. And what somebody
    began to write who was ended meanwhile."""
    with contextlib.suppress(OSError):
        ages = sorted((path.lstat().st_mtime_ns, path) for path in cache.glob("*.hsdb"))
        for _, path in ages[:-_KEPT]:
            path.unlink(missing_ok=True)
        for path in cache.glob(f"{_WRITING}*"):
            if path.lstat().st_mtime < time.time() - _ABANDONED_S:
                path.unlink(missing_ok=True)
