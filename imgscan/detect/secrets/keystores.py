"""Files that exist to hold private keys or passwords, told by their content: the first window of a document in, what
kind of store it is and what lies in it out.

Each format is read as far as tells a key from certificates: a store of trusted certificates is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from imgscan.detect.secrets.der import INTEGER, OCTETS, SEQUENCE, sequence
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity

KEYSTORE: Final = "secret-keystore"
_SECRET_BYTES: Final = 192
_LEAST_BYTES: Final = 16
_MOST_ALIAS: Final = 512
_CERTIFICATE: Final = 2
_DIGEST_BYTES: Final = 20
_MOST_ROUNDS: Final = 1 << 20
_LENGTH: Final = rb"(?:\x80|[\0-\x7f]|\x81.|\x82..|\x83...|\x84....)"
_PKCS12: Final = lazy_re(
    rb"\x30" + _LENGTH + rb"\x02\x01\x03\x30" + _LENGTH + rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x01\x02]",
    re.DOTALL,
)
_BAG: Final = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"
_ENCRYPTED_DATA: Final = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"
_BAGS: Final = (
    (_BAG + b"\x01", "PKCS #12 store with a key that no password protects", Severity.CRITICAL, Confidence.HIGH),
    (_BAG + b"\x02", "PKCS #12 store with a private key", Severity.MEDIUM, Confidence.HIGH),
    (_BAG + b"\x05", "PKCS #12 store with a secret", Severity.MEDIUM, Confidence.HIGH),
    (_ENCRYPTED_DATA, "PKCS #12 store, encrypted as a whole", Severity.LOW, Confidence.LOW),
)
_PBES: Final = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05"
"""What the object identifiers of PKCS #5 begin with."""
_LARGEST_KEY: Final = 16_384
_RSA_NUMBERS: Final = 9
_MOST_HEADERS: Final = 64
_EARLIEST, _LATEST = 660_000_000, 4_100_000_000
"""Seconds since 1970: from when there was PGP, to 2099."""
_ECDH: Final = 18
_CURVES: Final = frozenset({_ECDH, 19, 22})
_PUBLIC_NUMBERS: Final[Mapping[int, int]] = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4, _ECDH: 1, 19: 1, 22: 1}
_MOST_BITS: Final = 16_384
_NO_KEY: Final = 101
_NEW_SECRET_KEY: Final = 0xC5
_AGENT: Final = lazy_re(
    rb"\((?:21:(protected)-private-key|11:private-key)\(|"
    rb"(?:[A-Z][A-Za-z-]{0,40}: [^\n]{0,400}\n(?: [^\n]{0,400}\n){0,8}){0,8}?Key: \((?:(protected)-)?private-key[\s(]"
)


@frozen
class Keystore:
    """A store with a secret in it. `data[start:end]` is a stretch that only this store has, of its protected part."""

    kind: str
    start: int
    end: int
    severity: Severity = Severity.MEDIUM
    confidence: Confidence = Confidence.HIGH


class _NotOne(Exception):
    """The bytes are something else, or hold no key."""


def find_keystore(data: bytes) -> Keystore | None:
    """The key store that a document beginning with `data` is; None for anything else, and for one without a key."""
    parse = _PARSERS.get(data[0]) if data else None
    if parse is None:
        return None
    try:
        return parse(data)
    except _NotOne:
        return None


class _Reader:
    """A position in bytes; reading beyond them raises `_NotOne`."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise _NotOne
        piece, self.at = self.data[self.at : end], end
        return piece

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def text(self) -> bytes:
        """A string of Java's DataOutput.writeUTF, as an alias or a type."""
        length = self.number(2)
        if length > _MOST_ALIAS:
            raise _NotOne
        text = self.take(length)
        if any(byte < 0x20 for byte in text):
            raise _NotOne
        return text


def _protected(kind: str, reader: _Reader, length: int) -> Keystore:
    """A store whose reader stands before `length` bytes of something protected."""
    if length < _LEAST_BYTES:
        raise _NotOne
    start = reader.at
    reader.take(min(length, _SECRET_BYTES))
    return Keystore(kind=kind, start=start, end=reader.at)


def _java(data: bytes) -> Keystore | None:
    """JKS and JCEKS, as the JDK's JavaKeyStore.java and JceKeyStore.java write them."""
    reader = _Reader(data)
    kind = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}.get(reader.take(4))
    version, entries = reader.number(4), reader.number(4)
    if kind is None or version not in (1, 2):
        raise _NotOne
    for _ in range(entries):
        tag = reader.number(4)
        reader.text()
        reader.take(8)
        if tag == 1:
            return _protected(f"{kind} store with a private key", reader, reader.number(4))
        if tag == 3 and kind == "JCEKS":
            # A sealed Java object, the same at its beginning in all stores; the store's digest comes last.
            reader.at = max(len(data) - _DIGEST_BYTES, reader.at)
            return _protected("JCEKS store with a secret key", reader, len(data) - reader.at)
        if tag != _CERTIFICATE:
            raise _NotOne
        if version == 2:
            reader.text()
        reader.take(reader.number(4))
    return None


def _bouncy_castle(data: bytes) -> Keystore | None:
    """BKS, as Bouncy Castle's BcKeyStoreSpi.java writes it."""
    reader = _Reader(data)
    version, salt = reader.number(4), reader.number(4)
    if version not in (0, 1, 2) or not 8 <= salt <= 64:
        raise _NotOne
    reader.take(salt)
    if not 1 <= reader.number(4) <= _MOST_ROUNDS:
        raise _NotOne
    while tag := reader.number(1):
        if not reader.text():
            raise _NotOne
        reader.take(8)
        for _ in range(reader.number(4)):
            reader.text()
            reader.take(reader.number(4))
        if tag == 1:
            reader.text()
            reader.take(reader.number(4))
        elif tag == 2:
            reader.take(1)
            reader.text()
            reader.text()
            found = _protected("BKS store with a key that no password protects", reader, reader.number(4))
            return replace(found, severity=Severity.CRITICAL)
        elif tag in (3, 4):
            return _protected("BKS store with a key", reader, reader.number(4))
        else:
            raise _NotOne
    return None


def _pkcs12(data: bytes) -> Keystore | None:
    """PKCS #12 (RFC 7292). Keys lie in bags of their own, mostly outside of what is encrypted as a whole."""
    if _PKCS12.match(data) is None:
        return _der_key(data)
    for bag, kind, severity, confidence in _BAGS:
        at = data.find(bag)
        if at >= 0:
            found = _protected(kind, _Reader(data, at + len(bag)), _SECRET_BYTES)
            return replace(found, severity=severity, confidence=confidence)
    return None


def _der_key(data: bytes) -> Keystore | None:
    """A private key in DER that fills its file: PKCS #1 (RFC 8017), SEC 1 (RFC 5915), PKCS #8 (RFC 5958), of which the
    encrypted kind begins with how it was encrypted."""
    elements = sequence(data) if len(data) <= _LARGEST_KEY else []
    tags, pieces = tuple(tag for tag, _ in elements), [piece for _, piece in elements]
    if not tags or sum(map(len, pieces)) + _MOST_HEADERS < len(data):
        raise _NotOne
    kind, secret = "", pieces[-1]
    if tags[:4] == (INTEGER,) * 4 and len(tags) >= _RSA_NUMBERS and len(pieces[1]) > _LEAST_BYTES:
        kind, secret = "RSA private key in DER", pieces[3]
    elif tags[:2] == (INTEGER, OCTETS) and pieces[0] == b"\x01":
        kind, secret = "EC private key in DER", pieces[1]
    elif tags[:3] == (INTEGER, SEQUENCE, OCTETS) and pieces[0] in (b"\0", b"\x01") and pieces[1][:1] == b"\x06":
        kind, secret = "PKCS #8 private key in DER", pieces[2]
    elif tags == (SEQUENCE, OCTETS) and pieces[0].startswith(_PBES):
        kind, secret = "PKCS #8 private key in DER, encrypted", pieces[1]
    start = data.find(secret) if len(secret) >= _LEAST_BYTES else -1
    if not kind or start < 0:
        raise _NotOne
    found = _protected(kind, _Reader(data, start), len(secret))
    return found if tags[0] == SEQUENCE else replace(found, severity=Severity.CRITICAL)


def _keepass(data: bytes) -> Keystore | None:
    """KeePass 1 and 2: the file signatures of its documentation."""
    if data[:4] != b"\x03\xd9\xa2\x9a" or data[4:8] not in (
        b"\x65\xfb\x4b\xb5",
        b"\x66\xfb\x4b\xb5",
        b"\x67\xfb\x4b\xb5",
    ):
        raise _NotOne
    return _protected("KeePass password database", _Reader(data, 8), _SECRET_BYTES)


def _oracle_wallet(data: bytes) -> Keystore | None:
    """cwallet.sso: a wallet that opens without a password, for whoever has the file."""
    if data[:3] != b"\xa1\xf8\x4e" or data[3:4] not in (b"6", b"7", b"8"):
        raise _NotOne
    found = _protected("Oracle auto-login wallet, which needs no password", _Reader(data, 4), _SECRET_BYTES)
    return replace(found, severity=Severity.HIGH)


def _openpgp(data: bytes) -> Keystore | None:
    """A secret key ring: it begins with a Secret-Key packet (RFC 9580, sections 4.2 and 5.5.3)."""
    reader = _Reader(data)
    length = _packet_length(reader)
    end = reader.at + length
    version, created, algorithm = reader.number(1), reader.number(4), reader.number(1)
    if version != 4 or not _EARLIEST <= created < _LATEST or algorithm not in _PUBLIC_NUMBERS or end > len(data):
        raise _NotOne
    if algorithm in _CURVES:
        reader.take(reader.number(1))
    for _ in range(_PUBLIC_NUMBERS[algorithm]):
        bits = reader.number(2)
        if not 0 < bits <= _MOST_BITS or reader.take((bits + 7) // 8)[0].bit_length() != (bits - 1) % 8 + 1:
            raise _NotOne
    if algorithm == _ECDH:
        reader.take(reader.number(1))
    usage = reader.number(1)
    if usage in (253, 254, 255):
        if reader.take(1) and reader.number(1) == _NO_KEY and reader.take(4)[1:] == b"GNU":
            return None
        return _protected("OpenPGP secret key", reader, end - reader.at)
    if usage:
        raise _NotOne
    found = _protected("OpenPGP secret key that no passphrase protects", reader, end - reader.at)
    return replace(found, severity=Severity.CRITICAL)


def _packet_length(reader: _Reader) -> int:
    first = reader.number(1)
    if first in (0x94, 0x95, 0x96):
        return reader.number(1 << (first & 3))
    if first != _NEW_SECRET_KEY:
        raise _NotOne
    length = reader.number(1)
    if 192 <= length < 224:
        return ((length - 192) << 8) + reader.number(1) + 192
    return reader.number(4) if length == 255 else length


def _gnupg_agent(data: bytes) -> Keystore | None:
    """A file of GnuPG's private-keys-v1.d (agent/keyformat.txt)."""
    found = _AGENT.match(data)
    if found is None or found.end() + _LEAST_BYTES > len(data):
        raise _NotOne
    protected = found.group(1) is not None or found.group(2) is not None
    kind = "GnuPG private key" if protected else "GnuPG private key that no passphrase protects"
    # The public part comes first, and is as much the key's own.
    keystore = _protected(kind, _Reader(data, found.end()), min(len(data) - found.end(), _SECRET_BYTES))
    return keystore if protected else replace(keystore, severity=Severity.CRITICAL)


_PARSERS: Final[Mapping[int, Callable[[bytes], Keystore | None]]] = {
    0xFE: _java,
    0xCE: _java,
    0x00: _bouncy_castle,
    0x30: _pkcs12,
    0x03: _keepass,
    0xA1: _oracle_wallet,
    **dict.fromkeys((0x94, 0x95, 0x96, _NEW_SECRET_KEY), _openpgp),
    **dict.fromkeys(b"(KC", _gnupg_agent),
}
