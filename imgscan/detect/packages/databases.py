"""The databases of dpkg, apk and pip, read for the files they name: one file's content in, claims out.

Formats: deb-md5sums(5) and dpkg's own lists of files and `Conffiles` fields; apk-tools' installed database (`F:`, `R:`,
`Z:`); RECORD of PEP 376 and PEP 627, direct_url.json of PEP 610. rpm's are read by `rpm`.
"""

from __future__ import annotations

import base64
import binascii
import io
import itertools
import posixpath
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from imgscan.detect.packages import rpm
from imgscan.detect.packages.claims import MOST_CLAIMS, Sum, claim, site_claim
from imgscan.lazyre import lazy_re

LARGEST_DATABASE: Final = 64 << 20
"""A larger one is not read, in bytes: it has to be held in memory for that."""
_MD5: Final = lazy_re(rb"[0-9a-f]{32}")
_LOCAL: Final = lazy_re(rb'"dir_info"\s*:')


class Kind(Enum):
    """Whose database a file is."""

    DPKG_LIST = "dpkg list"
    DPKG_SUMS = "dpkg md5sums"
    DPKG_STATUS = "dpkg status"
    APK = "apk"
    RPM = "rpm"
    RECORD = "pip"
    DIRECT_URL = "where a Python package came from"

    @property
    def is_system(self) -> bool:
        """True for what a system's own package manager keeps."""
        return self not in (Kind.RECORD, Kind.DIRECT_URL)


def database_kind(path: bytes) -> Kind | None:
    """Which database a path is; None for nearly all."""
    if path.endswith((b".dist-info/RECORD", b".dist-info/direct_url.json")):
        return Kind.RECORD if path.endswith(b"RECORD") else Kind.DIRECT_URL
    if path.startswith(b"var/lib/dpkg/"):
        return _dpkg_kind(path[len(b"var/lib/dpkg/") :])
    return _BY_PATH.get(path)


_BY_PATH: Final = {
    **dict.fromkeys((b"lib/apk/db/installed", b"usr/lib/apk/db/installed"), Kind.APK),
    **{
        folder + name: Kind.RPM
        for folder in (b"var/lib/rpm/", b"usr/lib/sysimage/rpm/", b"usr/share/rpm/")
        for name in (b"rpmdb.sqlite", b"Packages.db", b"Packages")
    },
}


def _dpkg_kind(path: bytes) -> Kind | None:
    folder, _, name = path.rpartition(b"/")
    if folder in (b"info", b"status.d") and name.endswith(b".md5sums"):
        return Kind.DPKG_SUMS
    if folder == b"info":
        return Kind.DPKG_LIST if name.endswith(b".list") else None
    return Kind.DPKG_STATUS if path == b"status" or folder == b"status.d" else None


def read_claims(kind: Kind, path: bytes, data: bytes) -> tuple[bytes, bool]:
    """The packed claims of a database, and whether these are all of them. Raises ValueError if it is none."""
    records = list(itertools.islice(_READERS[kind](path, data), MOST_CLAIMS + 1))
    return b"".join(records), len(records) <= MOST_CLAIMS


def is_local_package(data: bytes) -> bool:
    """Whether a direct_url.json says that the package was installed from a folder: the project itself, as it happens
    with `pip install .`. Its files are nobody else's."""
    return _LOCAL.search(data) is not None


def _lines(data: bytes) -> Iterator[bytes]:
    """Lines one by one: a database may consist of nothing but their ends."""
    return (line.rstrip(b"\r\n") for line in io.BytesIO(data))


def _dpkg_list(_: bytes, data: bytes) -> Iterator[bytes]:
    return (claim(line) for line in _lines(data) if line.startswith(b"/") and len(line) > 2)


def _dpkg_sums(_: bytes, data: bytes) -> Iterator[bytes]:
    for line in _lines(data):
        digest, path = line[:32], line[34:]
        if path and line[32:34] in (b"  ", b" *") and _MD5.fullmatch(digest):
            yield claim(path, Sum.MD5, _unhex(digest))


def _dpkg_status(_: bytes, data: bytes) -> Iterator[bytes]:
    """Lines of `Conffiles` fields: path, MD5, and maybe what is to become of it."""
    for line in _lines(data):
        words = line.split(b" ", 3) if line.startswith(b" /") else []
        if len(words) > 2 and _MD5.fullmatch(words[2]):
            yield claim(words[1], Sum.MD5, _unhex(words[2]))


def _apk(_: bytes, data: bytes) -> Iterator[bytes]:
    """`F:` names a folder, `R:` a file in it, `Z:Q1…` that one's SHA-1 in base64."""
    folder = b""
    name: bytes | None = None
    for line in itertools.chain(_lines(data), (b"F:",)):
        tag, value = line[:2], line[2:]
        if tag == b"Z:" and name is not None and value.startswith(b"Q1"):
            digest = _unbase64(value[2:])
            yield claim(folder + name, Sum.SHA1, digest) if digest else claim(folder + name)
            name = None
        elif tag in (b"R:", b"F:", b"P:"):
            if name is not None:
                yield claim(folder + name)
            name = value if tag == b"R:" else None
            if tag == b"F:":
                folder = value.rstrip(b"/") + b"/" if value else b""


def _record(path: bytes, data: bytes) -> Iterator[bytes]:
    """Lines `path,sha256=…,size`, the path from the folder that the package lies in, or absolute; CSV quotes are only
    taken off."""
    site = posixpath.dirname(posixpath.dirname(path))
    yield site_claim(site)
    for line in _lines(data):
        name, comma, rest = line.partition(b",")
        if name.startswith(b'"'):
            name, comma, rest = line[1:].partition(b'",')
            name = name.replace(b'""', b'"')
        if not comma or not name:
            continue
        where = posixpath.normpath(posixpath.join(b"/" + site, name))
        stated = rest.partition(b",")[0]
        digest = _unbase64(stated.removeprefix(b"sha256=")) if stated.startswith(b"sha256=") else b""
        yield claim(where, Sum.SHA256, digest) if digest else claim(where)


def _rpm(_: bytes, data: bytes) -> Iterator[bytes]:
    for header in rpm.read_headers(data):
        for file in rpm.files_of(header):
            yield claim(file.path, _RPM_SUMS[len(file.digest)], file.digest)


_RPM_SUMS: Final = {0: Sum.NONE, 16: Sum.MD5, 20: Sum.SHA1, 32: Sum.SHA256}
_READERS: Final[dict[Kind, Callable[[bytes, bytes], Iterator[bytes]]]] = {
    Kind.DPKG_LIST: _dpkg_list,
    Kind.DPKG_SUMS: _dpkg_sums,
    Kind.DPKG_STATUS: _dpkg_status,
    Kind.APK: _apk,
    Kind.RPM: _rpm,
    Kind.RECORD: _record,
}


def _unhex(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii"))


def _unbase64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
