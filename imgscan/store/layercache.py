"""Results of layers, kept from one run to the next: a layer that was scanned with the same rules is not read again.

One SQLite file for all processes of a user. It holds no secret. Whatever is wrong with it (damaged, locked, not to be
trusted, of another version) it is as good as empty, and mends itself. What was not used for longest goes first when it
grows over its bound.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from imgscan.cachedir import is_ours
from imgscan.layerresult import RESULT_FORMAT, KeptLayer
from imgscan.layers.blocks import Blocks, CacheDamagedError
from imgscan.rulebook import rules_dir
from imgscan.store.checks import checked, with_check

if TYPE_CHECKING:
    from imgscan.detect.secrets.scanner import SecretScanner

LIMIT_BYTES: Final = 1 << 30
_LARGEST_SHARE: Final = 4
_FILE: Final = "layers.sqlite3"
_BUSY_S: Final = 5.0
_USED_AGAIN_S: Final = 3600
_MARK_BYTES: Final = 8
_NO_DAMAGE: Final = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_INTERRUPT,
    )
)
"""What SQLite says where the file is in use or the system in trouble, not the file."""
_TROUBLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What the module raises; of the latter kind where a damaged name stands in the message of an error."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS layers (
    key TEXT PRIMARY KEY, summary BLOB NOT NULL, bytes INTEGER NOT NULL, used_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    key TEXT NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proven (
    key TEXT NOT NULL, digest TEXT NOT NULL, mark BLOB NOT NULL, PRIMARY KEY (key, digest)
) WITHOUT ROWID;
"""


def results_version(scanner: SecretScanner) -> str:
    """What a layer's result depends on besides the layer: the rules, and the path table, which makes other facts."""
    tables = hashlib.sha256((rules_dir() / "layers.yml").read_bytes()).hexdigest()
    return f"{scanner.version} {tables}"


class KeptBlocks:
    """The blocks of one layer in the cache; see `blocks.BlockStore`."""

    def __init__(self, cache: LayerCache, key: str) -> None:
        self._cache = cache
        self._key = key

    def read(self, number: int) -> bytes:
        """A block's bytes. Raises CacheDamagedError."""
        return self._cache.block(self._key, number)


class LayerCache:
    """Keeps results. `version` is that of the rules: those of other rules are not seen. Nothing here raises, but for
    the blocks of a layer that was found."""

    def __init__(
        self,
        folder: Path,
        version: str,
        *,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = folder / _FILE
        self._version = version
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._used: set[str] = set()
        self._connection = self._open()

    def find(self, diff_id: str) -> tuple[KeptLayer, KeptBlocks] | None:
        """What is kept of a layer, and its blocks."""
        key = self._key(diff_id)
        with _Forgiving(self):
            row = self._execute("SELECT summary FROM layers WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            try:
                kept = _decoder.decode(checked(row[0], key))
            except (msgspec.DecodeError, CacheDamagedError):
                self.forget(diff_id)
                return None
            self._used.add(key)
            return kept, KeptBlocks(self, key)
        return None

    def keep(self, diff_id: str, kept: KeptLayer, items: Blocks) -> None:
        """Keep the result of a layer, unless it alone would fill much of the cache."""
        key = self._key(diff_id)
        summary = with_check(_encoder.encode(kept), key)
        blocks = (
            (key, number, with_check(items.raw(number), _block_name(key, number))) for number in range(len(items.index))
        )
        with _Forgiving(self):
            connection = self._connection
            if connection is None:
                return
            with connection:
                connection.execute("DELETE FROM blocks WHERE key = ?", (key,))
                size = len(summary)
                for block in blocks:
                    size += len(block[2])
                    connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", block)
                if size * _LARGEST_SHARE > self._limit_bytes:
                    connection.execute("DELETE FROM blocks WHERE key = ?", (key,))
                    return
                row = (key, summary, size, int(self._clock()))
                connection.execute("INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?)", row)
            self._shrink(connection)

    def is_proven(self, diff_id: str, digest: str) -> bool:
        """Whether the blob of that digest was seen to unpack to the layer, whose result is kept."""
        key = self._key(diff_id)
        with _Forgiving(self):
            row = self._execute("SELECT mark FROM proven WHERE key = ? AND digest = ?", (key, digest)).fetchone()
            return row is not None and row[0] == _mark(key, digest)
        return False

    def prove(self, diff_id: str, digest: str) -> None:
        """Note that it was, for as long as the result is kept."""
        key = self._key(diff_id)
        with _Forgiving(self):
            if self._connection is not None:
                with self._connection as connection:
                    connection.execute(
                        "INSERT OR REPLACE INTO proven VALUES (?, ?, ?)", (key, digest, _mark(key, digest))
                    )

    def forget(self, diff_id: str) -> None:
        """Remove what is kept of a layer."""
        self._remove(self._key(diff_id))

    def block(self, key: str, number: int) -> bytes:
        """A block. Raises CacheDamagedError; the layer is then no longer kept."""
        with _Forgiving(self):
            row = self._execute("SELECT data FROM blocks WHERE key = ? AND number = ?", (key, number)).fetchone()
            with contextlib.suppress(CacheDamagedError):
                return checked(row[0] if row is not None else None, _block_name(key, number))
            self._remove(key)
        raise CacheDamagedError("a block of a kept layer is gone")

    def close(self) -> None:
        """Note what was used, and close the file."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(sqlite3.Error), connection:
            now = int(self._clock())
            rows = [(now, key, now - _USED_AGAIN_S) for key in sorted(self._used)]
            connection.executemany("UPDATE layers SET used_at = ? WHERE key = ? AND used_at < ?", rows)
        connection.close()

    def _remove(self, key: str) -> None:
        with _Forgiving(self):
            if self._connection is not None:
                with self._connection as connection:
                    _remove(connection, key)

    def _key(self, diff_id: str) -> str:
        return hashlib.sha256(f"{RESULT_FORMAT}\n{self._version}\n{diff_id}".encode()).hexdigest()

    def _open(self, *, again: bool = True) -> sqlite3.Connection | None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_ours(self._path.parent.stat()) or (self._path.is_symlink()):
                return None
            if self._path.exists() and not is_ours(self._path.stat()):
                return None
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        except OSError:
            return None
        connection = None
        try:
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, check_same_thread=False)
            # This one first: it has no effect once there is a first page, which the journal's mode makes.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            # What was not written yet when the power fails is found to be damaged, and made anew. To wait for a disk
            # that builds write to would take a quarter as long as a scan.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_SCHEMA)
        except _TROUBLE as error:
            if connection is not None:
                connection.close()
            return self._start_over() if again and _is_damage(error) else None
        return connection

    def _start_over(self) -> sqlite3.Connection | None:
        """A file that is no database, or a damaged one, is put out of the way."""
        for path in (self._path, *(self._path.with_name(_FILE + end) for end in ("-wal", "-shm"))):
            with contextlib.suppress(OSError):
                path.unlink()
        return self._open(again=False)

    def failed(self, error: Exception) -> None:
        """Trouble with the file is no trouble of the scan's: it is left alone; damage ends in a new file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        if _is_damage(error):
            self._connection = self._start_over()

    def _execute(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        if self._connection is None:
            raise _NoCacheError
        return self._connection.execute(statement, values)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Remove what was not used for longest until a tenth of the bound is free."""
        (total,) = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM layers").fetchone()
        if total <= self._limit_bytes:
            return
        with connection:
            for key, size in connection.execute(
                "SELECT key, CAST(bytes AS INTEGER) FROM layers ORDER BY used_at, key"
            ).fetchall():
                if total <= self._limit_bytes * 9 // 10:
                    break
                _remove(connection, key)
                total -= size or 0
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page


class _NoCacheError(sqlite3.Error):
    """There is no file to use."""


class _Forgiving:
    """Ends what SQLite does not like, quietly."""

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, _TROUBLE):
            return False
        self._cache.failed(error)
        return True


def _remove(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("DELETE FROM layers WHERE key = ?", (key,))
    connection.execute("DELETE FROM blocks WHERE key = ?", (key,))
    connection.execute("DELETE FROM proven WHERE key = ?", (key,))


def _is_damage(error: Exception) -> bool:
    """Whether a new file would help: it is no database, or one that makes no sense. A damaged schema may look like a
    mistake in a statement."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return not isinstance(error, _NoCacheError) and code & 0xFF not in _NO_DAMAGE


def _mark(key: str, digest: str) -> bytes:
    """What a row that was written has, and one that came of damage has not."""
    return hashlib.sha256(f"{key} {digest}".encode()).digest()[:_MARK_BYTES]


def _block_name(key: str, number: int) -> str:
    return f"{key} {number}"


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(KeptLayer)
