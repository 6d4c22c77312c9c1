"""Claims of package databases on files, small enough to be kept with a layer; and what they say of a file.

In: paths and checksums from databases (`databases`, `rpm`). Out: sorted records of 16 bytes, and for a file of the
image its `Owner`. A claim is a digest of a path and the first bytes of the checksum that its package states.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from imgscan.lazyre import lazy_re

CLAIM_BYTES: Final = 16
MOST_CLAIMS: Final = 500_000
"""So many of a layer are kept (8 MB); of a layer with more of them nothing is said of a file that is not among them."""
_KEY_BYTES: Final = 8
_SUM_BYTES: Final = CLAIM_BYTES - _KEY_BYTES - 1
_MERGED: Final = lazy_re(rb"(?:bin|sbin|lib|lib32|lib64|libx32)/")
_BYTECODE: Final = lazy_re(rb"(.*)/__pycache__/([^/]+?)\.[a-z]+-[0-9a-z]+(?:\.opt-[0-9])?\.pyc$", re.DOTALL)
_CONFIGURATION: Final = b"etc/"


class Sum(Enum):
    """How a package states a file's content."""

    NONE = 0
    MD5 = 1
    SHA1 = 2
    SHA256 = 3


class Owner(Enum):
    """Whose a file is, as far as the image's databases say."""

    PACKAGE = "a package has the file, as it is where the package says how"
    CHANGED = "a package has a file of this name, but with another content"
    NOBODY = "no package has it, of those that the databases name"
    UNKNOWN = "nothing that could be read says anything"


class FileSums(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """The checksums of a file in which something was found, cut to what a claim holds of one; empty where it is not
    known (of files too large to be hashed thrice)."""

    path: bytes
    sha256: bytes
    md5: bytes = b""
    sha1: bytes = b""

    def of(self, kind: Sum) -> bytes:
        """The checksum of a kind."""
        return {Sum.MD5: self.md5, Sum.SHA1: self.sha1, Sum.SHA256: self.sha256}.get(kind, b"")


class PackageClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What the databases of one layer claim: `packed` are sorted records, `system` says that a system's database (dpkg,
    apk, rpm) is among them, `complete` that all of them were read whole."""

    packed: bytes = b""
    system: bool = False
    complete: bool = True


def cut_sum(digest: bytes) -> bytes:
    """As much of a checksum as a claim holds."""
    return digest[:_SUM_BYTES]


def claim(path: bytes, kind: Sum = Sum.NONE, digest: bytes = b"") -> bytes:
    """The record for a path and, where it is stated, the checksum of its content."""
    return _key(path) + bytes((kind.value,)) + cut_sum(digest).ljust(_SUM_BYTES, b"\0")


def site_claim(folder: bytes) -> bytes:
    """The record that says of a folder of Python packages that each of them lists its files."""
    return _key(b"\0site/" + folder) + bytes(CLAIM_BYTES - _KEY_BYTES)


def _key(path: bytes) -> bytes:
    return hashlib.blake2b(normal_path(path), digest_size=_KEY_BYTES).digest()


def normal_path(path: bytes) -> bytes:
    """A path from the root, without a leading slash, of a system whose /bin and /lib are links into /usr: databases
    name files by either."""
    path = path.removeprefix(b"./").lstrip(b"/")
    return b"usr/" + path if _MERGED.match(path) else path


class ClaimsBuilder:
    """Collects the claims of one layer."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._system = False
        self._complete = True

    def add(self, packed: bytes, *, system: bool = False) -> None:
        """Take records."""
        self._system = self._system or system
        self._parts.append(packed)
        self._size += len(packed)
        if self._size > 2 * MOST_CLAIMS * CLAIM_BYTES:
            self._merge()

    def miss(self) -> None:
        """Take note of a database that could not be read."""
        self._complete = False

    def finish(self) -> PackageClaims:
        """All of them, sorted, each once."""
        self._merge()
        return PackageClaims(packed=b"".join(self._parts), system=self._system, complete=self._complete)

    def _merge(self) -> None:
        """Keep the first of them in their order, whatever the order they came in."""
        packed = b"".join(self._parts)
        records = sorted({packed[at : at + CLAIM_BYTES] for at in range(0, len(packed), CLAIM_BYTES)})
        self._complete = self._complete and len(records) <= MOST_CLAIMS
        self._parts = [b"".join(records[:MOST_CLAIMS])]
        self._size = len(self._parts[0])


class Owners:
    """The databases of a whole image: what any layer's say counts, also after a later layer removed them."""

    def __init__(self, layers: Sequence[PackageClaims]) -> None:
        self._packed = [layer.packed for layer in layers if layer.packed]
        self.complete = all(layer.complete for layer in layers)
        self.has_system = any(layer.system for layer in layers)

    def has_site(self, folder: bytes) -> bool:
        """Whether packages that lie in a folder say which files are theirs."""
        return any(self._find(site_claim(folder)[:_KEY_BYTES]))

    def owner(self, path: bytes, sums: Iterable[FileSums]) -> Owner:
        """Whose the file of a path is; `sums` are those of every file that the layer has under this path.

        Compiled Python is its source's. A checksum that cannot be compared, and a path without one, is believed, but
        not below /etc: what lies there is there to be changed.
        """
        claims = self._claims(path)
        if not claims:
            source = _source_of(path)
            if source is not None and self._claims(source):
                return Owner.PACKAGE
            return Owner.NOBODY if self.complete else Owner.UNKNOWN
        verdicts = {_compare(claims, item) for item in sums}
        if False in verdicts:
            return Owner.CHANGED
        if verdicts == {True}:
            return Owner.PACKAGE
        return Owner.UNKNOWN if path.startswith(_CONFIGURATION) else Owner.PACKAGE

    def _claims(self, path: bytes) -> list[tuple[Sum, bytes]]:
        return [(Sum(item[_KEY_BYTES]), item[_KEY_BYTES + 1 :]) for item in self._find(_key(path))]

    def _find(self, key: bytes) -> list[bytes]:
        found: list[bytes] = []
        for packed in self._packed:
            low, high = 0, len(packed) // CLAIM_BYTES
            while low < high:
                middle = (low + high) // 2
                if packed[middle * CLAIM_BYTES : middle * CLAIM_BYTES + _KEY_BYTES] < key:
                    low = middle + 1
                else:
                    high = middle
            at = low * CLAIM_BYTES
            while packed[at : at + _KEY_BYTES] == key:
                found.append(packed[at : at + CLAIM_BYTES])
                at += CLAIM_BYTES
        return found


def _compare(claims: Iterable[tuple[Sum, bytes]], sums: FileSums) -> bool | None:
    """Whether the content is one that was stated; None if that cannot be told."""
    stated = [(kind, digest) for kind, digest in claims if sums.of(kind)]
    return any(sums.of(kind) == digest for kind, digest in stated) if stated else None


def _source_of(path: bytes) -> bytes | None:
    found = _BYTECODE.match(path)
    return found.group(1) + b"/" + found.group(2) + b".py" if found is not None else None
