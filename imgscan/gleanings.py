"""What is learnt by the way while the files of a layer are searched, and kept with its result: which files belong to
packages, which public keys lie about, and the checksums of files in which a secret was found.

In: files, one by one, wherever they are searched (`glean`). Out: `LayerGleanings`, of bounded size, the same whatever
the order of the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from imgscan.detect.packages.claims import ClaimsBuilder, FileSums, PackageClaims, cut_sum
from imgscan.detect.packages.databases import LARGEST_DATABASE, Kind, database_kind, is_local_package, read_claims
from imgscan.detect.secrets.publickeys import SeenKey

SUMMED_BYTES: Final = 512 << 10
"""Of files below this size the checksums that dpkg and apk state are computed too, if a secret is found in them."""
_MOST_KEYS: Final = 20_000
_PATHS_OF_A_KEY: Final = 3
_READ_BYTES: Final = 1 << 18


class Gleaned(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one file gave. `claims` are packed records, of a database of the `kind`; `missed`: of a database that could
    not be read. `local`: the file says that its package comes from a folder. The checksums are those of a file with
    secrets."""

    kind: Kind | None = None
    claims: bytes = b""
    missed: bool = False
    local: bool = False
    keys: tuple[SeenKey, ...] = ()
    sha256: bytes = b""
    md5: bytes = b""
    sha1: bytes = b""


class LayerGleanings(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of one layer gave: claims of packages, public keys with the paths they lie at, and checksums of
    the files with secrets, sorted by path."""

    claims: PackageClaims = msgspec.field(default_factory=PackageClaims)
    keys: tuple[tuple[bytes, SeenKey], ...] = ()
    sums: tuple[FileSums, ...] = ()


def sums_by_path(gleanings: LayerGleanings) -> dict[bytes, list[FileSums]]:
    """The checksums of a layer's files with secrets; a path may come twice in a layer."""
    found: dict[bytes, list[FileSums]] = {}
    for item in gleanings.sums:
        found.setdefault(item.path, []).append(item)
    return found


def glean(path: bytes, data: bytes | None, keys: Sequence[SeenKey], *, sha256: bytes | None) -> Gleaned | None:
    """What a file gives besides its secrets; None for nearly all. `data` is None for a file too large to be held;
    `sha256` is that of a file with secrets in it, b"" if it was not all there."""
    kind = database_kind(path)
    if kind is None and not keys and sha256 is None:
        return None
    md5 = sha1 = b""
    if sha256 is not None and data is not None and len(data) < SUMMED_BYTES:
        md5 = cut_sum(hashlib.md5(data, usedforsecurity=False).digest())
        sha1 = cut_sum(hashlib.sha1(data, usedforsecurity=False).digest())
    claims, missed = b"", kind is not None and data is None
    local = kind is Kind.DIRECT_URL and data is not None and is_local_package(data)
    if kind is not None and kind is not Kind.DIRECT_URL and data is not None:
        try:
            claims, complete = read_claims(kind, path, data)
            missed = not complete
        except ValueError:
            missed = True
    return Gleaned(
        kind=kind,
        claims=claims,
        missed=missed,
        local=local,
        keys=tuple(dict.fromkeys(keys)),
        sha256=cut_sum(sha256 or b""),
        md5=md5,
        sha1=sha1,
    )


def is_held(path: bytes, size: int) -> bool:
    """Whether a file of `size` bytes is held for `glean`: a small one, or a package database of a bearable size."""
    return size < SUMMED_BYTES or (size < LARGEST_DATABASE and database_kind(path) is not None)


class Holding:
    """Reads on for a search. What it reads is held, of a file that is to be held, or else hashed."""

    def __init__(self, read: Callable[[int], bytes], path: bytes, size: int) -> None:
        self._read = read
        self._hash = hashlib.sha256()
        self._parts: list[bytes] | None = None
        if is_held(path, size):
            self._parts = []

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        data = self._read(size)
        if self._parts is not None:
            self._parts.append(data)
        else:
            self._hash.update(data)
        return data

    def finish(self) -> None:
        """Read what is left."""
        while self.read(_READ_BYTES):
            pass

    def data(self) -> bytes | None:
        """All that was read; None if it was not held."""
        return None if self._parts is None else b"".join(self._parts)

    def sha256(self) -> bytes:
        """The SHA-256 of all that was read."""
        return (self._hash if self._parts is None else hashlib.sha256(b"".join(self._parts))).digest()


class GleaningsBuilder:
    """Collects what the files of one layer give."""

    def __init__(self) -> None:
        self._claims = ClaimsBuilder()
        self._records: dict[bytes, bytes] = {}
        self._local: set[bytes] = set()
        self._keys: dict[SeenKey, list[bytes]] = {}
        self._sums: list[FileSums] = []

    def add(self, path: bytes, gleaned: Gleaned | None, *, found: bool) -> None:
        """Take a file: what it gave, and whether secrets were found."""
        if found:
            given = gleaned or Gleaned()
            self._sums.append(FileSums(path=path, sha256=given.sha256, md5=given.md5, sha1=given.sha1))
        if gleaned is None:
            return
        if gleaned.missed:
            self._claims.miss()
        if gleaned.kind is Kind.RECORD:
            self._records[path.rpartition(b"/")[0]] = gleaned.claims
        elif gleaned.claims and gleaned.kind is not None:
            self._claims.add(gleaned.claims, system=gleaned.kind.is_system)
        if gleaned.local:
            self._local.add(path.rpartition(b"/")[0])
        for key in gleaned.keys:
            self._keys[key] = sorted({path, *self._keys.get(key, ())})[:_PATHS_OF_A_KEY]
        if len(self._keys) > 2 * _MOST_KEYS:
            self._drop_keys()

    def finish(self) -> LayerGleanings:
        """All of it. The files of a Python package that was installed from a folder are nobody else's."""
        for folder, claims in self._records.items():
            if folder not in self._local:
                self._claims.add(claims)
        self._drop_keys()
        return LayerGleanings(
            claims=self._claims.finish(),
            keys=tuple((path, key) for key, paths in self._keys.items() for path in paths),
            sums=tuple(sorted(self._sums, key=lambda item: (item.path, item.sha256))),
        )

    def _drop_keys(self) -> None:
        self._keys = dict(sorted(self._keys.items(), key=lambda item: _order(item[0]))[:_MOST_KEYS])


def _order(key: SeenKey) -> tuple[str, bool, str, int]:
    return key.fingerprint, key.certificate, key.name, key.expires
