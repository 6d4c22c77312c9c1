"""Checksums and structures of keys that are not tokens of a service: wallets, OpenPGP, PuTTY, JFrog, Bitbucket."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from functools import cache
from typing import Final

from imgscan.detect.secrets.validators import INVALID, PROVEN, UNKNOWN, VALID, Checked, decode_base64
from imgscan.lazyre import lazy_re
from imgscan.model import Severity, Validity
from imgscan.rulebook import rules_dir

_BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MAIN_NETWORK, _TEST_NETWORK = 0x80, 0xEF
_GUESSED: Final = 1 << 64
_WORDS: Final = 2048
_WORD_BITS: Final = 11
_PREFIX: Final = 4
_OFTEN: Final = 4
_OF_STANDARD: Final = "a vector of the standard"
_ARMOUR: Final = lazy_re(rb"-----BEGIN PGP[^\n-]{1,60}-----(.*?)(?:=([A-Za-z0-9+/]{4})\s*)?-----END", re.DOTALL)
_ARMOUR_HEADER: Final = lazy_re(rb"^[A-Za-z][A-Za-z0-9-]*: .*$", re.MULTILINE)


def base58(text: bytes) -> bytes | None:
    """Base 58 (Bitcoin's alphabet) decoded; None for other characters."""
    number = 0
    for char in text:
        digit = _BASE58.find(char)
        if digit < 0:
            return None
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip(b"1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def check_nkey(secret: bytes) -> Checked:
    """A seed of NATS: base 32 of its kind, 32 bytes, and their CRC-16 (XMODEM's), little-endian (NATS, `nkeys`)."""
    try:
        raw = base64.b32decode(secret + b"=" * (-len(secret) % 8))
    except binascii.Error:
        return INVALID
    return PROVEN if binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little") == raw[-2:] else INVALID


def check_ed25519_pair(secret: bytes) -> Checked:
    """A key pair of Solana as its tools write it: a JSON list of the 64 bytes of an Ed25519 seed and its public key."""
    from imgscan.detect.secrets.curves import ed25519_public

    try:
        raw = bytes(map(int, secret.strip(b"[] \t\r\n").split(b",")))
    except ValueError:
        return INVALID
    return PROVEN if len(raw) == 64 and ed25519_public(raw[:32]) == raw[32:] else INVALID


def to_base58(data: bytes) -> bytes:
    """Bytes in base 58."""
    number, digits = int.from_bytes(data, "big"), bytearray()
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    return _BASE58[:1] * (len(data) - len(data.lstrip(b"\0"))) + bytes(reversed(digits))


def double_sha256(data: bytes) -> bytes:
    """The digest of the digest, of which base58check takes the first four bytes."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def check_base58check(secret: bytes) -> Checked:
    """A key in wallet import format: version byte, 32 bytes, maybe a 1 for "compressed", four bytes of checksum."""
    raw = base58(secret)
    if raw is None or len(raw) not in (37, 38) or raw[0] not in (_MAIN_NETWORK, _TEST_NETWORK):
        return INVALID
    if double_sha256(raw[:-4])[:4] != raw[-4:]:
        return INVALID
    if int.from_bytes(raw[1:33]) < _GUESSED:
        return replace(PROVEN, severity=Severity.LOW, detail="a small number, which anybody guesses")
    if raw[0] == _TEST_NETWORK:
        return replace(PROVEN, severity=Severity.LOW, detail="of a test network, where nothing is worth anything")
    return PROVEN


@cache
def _bip39_places() -> dict[bytes, int]:
    """The places of BIP 39's English words by their first four letters, which tell them apart."""
    text = (rules_dir() / "secrets" / "lists" / "bip39.txt").read_bytes()
    words = [line for line in text.split(b"\n") if line and not line.startswith(b"#")]
    return {word: place for place, word in enumerate(b" ".join(words).split())}


def bip39_checksum(entropy: bytes) -> str:
    """The bits that follow `entropy` in a phrase: the first of its SHA-256, one for every 32."""
    digest = int.from_bytes(hashlib.sha256(entropy).digest(), "big")
    return format(digest, "0256b")[: len(entropy) // 4]


def bip39_prefixes(entropy: bytes) -> list[bytes]:
    """The words of a phrase for 16 to 32 bytes, by their first four letters (BIP 39, "Generating the mnemonic")."""
    names = list(_bip39_places())
    bits = format(int.from_bytes(entropy, "big"), f"0{len(entropy) * 8}b") + bip39_checksum(entropy)
    return [names[int(bits[at : at + _WORD_BITS], 2)] for at in range(0, len(bits), _WORD_BITS)]


def check_bip39(secret: bytes) -> Checked:
    """A phrase of BIP 39: every word is of the list, and the last bits are a checksum of the others. A random choice of
    twelve words passes once in sixteen times, so that alone proves little, but any text of other words fails. A few
    words over and over are a vector of the standard: info."""
    places = _bip39_places()
    found = [places.get(word[:_PREFIX]) for word in secret.lower().replace(b",", b" ").split()]
    if len(found) not in (12, 15, 18, 21, 24) or None in found:
        return INVALID
    bits = "".join(format(place or 0, "011b") for place in found)
    size = len(found) * _WORD_BITS * 32 // 33
    entropy = int(bits[:size], 2).to_bytes(size // 8, "big")
    if bits[size:] != bip39_checksum(entropy):
        return INVALID
    repeats = len(set(found)) * _OFTEN <= len(found)
    return Checked(validity=Validity.VALID, detail=_OF_STANDARD, severity=Severity.INFO) if repeats else VALID


def crc24(data: bytes) -> int:
    """The checksum of OpenPGP's armour (RFC 9580, section 6.1.1)."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF


def check_pgp_crc24(secret: bytes) -> Checked:
    """An armoured OpenPGP block, whose checksum is optional since RFC 9580: absent says nothing."""
    block = _ARMOUR.search(secret.replace(b"\\n", b"\n").replace(b"\r", b""))
    if block is None or block[2] is None:
        return UNKNOWN
    body = decode_base64(b"".join(_ARMOUR_HEADER.sub(b"", block[1]).split()))
    expected = decode_base64(block[2])
    if body is None or expected is None:
        return INVALID
    return PROVEN if crc24(body).to_bytes(3, "big") == expected else INVALID


def check_putty(secret: bytes) -> Checked:
    """A PuTTY key file says whether it is encrypted."""
    if b"Encryption: none" in secret:
        return Checked(validity=Validity.VALID, detail="not encrypted")
    return Checked(validity=Validity.VALID, detail="encrypted", severity=Severity.MEDIUM)


def check_jfrog(secret: bytes) -> Checked:
    """`AKCp…` is base 58 of 54 bytes; a reference token is base64 of `reftkn:<version>:<time>:<random>`."""
    if secret.startswith(b"AKCp"):
        raw = base58(secret)
        return VALID if raw is not None and len(raw) == 54 else INVALID
    raw = decode_base64(secret)
    return VALID if raw is not None and re.fullmatch(rb"reftkn:\d+:\d{10}:.+", raw) else INVALID


def check_bitbucket(secret: bytes) -> Checked:
    """A Data Center token is base64 of a number, a colon and random bytes; Cloud's say nothing of themselves."""
    if not secret.startswith(b"BBDC-"):
        return UNKNOWN
    raw = decode_base64(secret[5:])
    return VALID if raw is not None and re.match(rb"\d{1,20}:", raw) else INVALID
