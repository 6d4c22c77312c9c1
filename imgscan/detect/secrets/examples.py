"""Example secrets, assembled when asked for.

A rule's record holds examples as parts, so that no token stands in the repository (push protection would stop it) and
checksums are right by construction. A part is text, or a mapping with one of: `random` (an alphabet's name, with
`length`), `crc` (a checksum over what stands before it), `base64` (parts), `jwt` (claims), `pem`, `openssh`, `pgp`,
`bech32`, `nkey`, `der`, `wif`, `ed25519`, `mnemonic`, `hex`, `bytes`, `keystore`.
The same rule always gives the same example.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from imgscan.detect.secrets.validators import BASE36, BASE62, base36, base62

if TYPE_CHECKING:
    from imgscan.detect.secrets.rules import SecretRule

_HEX: Final = b"0123456789abcdef"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
ALPHABETS: Final[Mapping[str, bytes]] = {
    "base62": BASE62,
    "base36": BASE36,
    "hex": _HEX,
    "HEX": _HEX.upper(),
    "digits": b"0123456789",
    "digits1": b"123456789",
    "lower": _LOWER,
    "letters": _LOWER + _LOWER.upper(),
    "upper": _LOWER.upper(),
    "UPPER36": BASE36.upper(),
    "base32": _LOWER.upper() + b"234567",
    "base32l": _LOWER + b"234567",
    "url64": BASE62 + b"-_",
    "base64": BASE62 + b"+/",
    "base58": b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "password": BASE62 + b"!#%^*",
}
_LINE: Final = 64


def examples_of(rule: SecretRule) -> list[bytes]:
    """The texts in which a rule must find its secret."""
    return [assemble(parts, f"{rule.id}/{number}") for number, parts in enumerate(rule.examples)]


def near_misses_of(rule: SecretRule) -> list[bytes]:
    """The texts in which a rule must find nothing."""
    return [assemble(parts, f"{rule.id}/miss/{number}") for number, parts in enumerate(rule.near_misses)]


def assemble(parts: Sequence[Any], seed: str) -> bytes:
    """The example that `parts` describe; `seed` (the rule's id) decides the random ones."""
    return _join(parts, _random_bytes(seed))


def _random_bytes(seed: str) -> Iterator[int]:
    counter = 0
    while True:
        yield from hashlib.sha256(f"{seed}/{counter}".encode()).digest()
        counter += 1


def _join(parts: Sequence[Any], source: Iterator[int]) -> bytes:
    text = b""
    for part in parts:
        text += part.encode() if isinstance(part, str) else _part(part, text, source)
    return text


def _part(part: Mapping[str, Any], before: bytes, source: Iterator[int]) -> bytes:
    match part:
        case {"random": str(alphabet), "length": int(length)}:
            return _random(ALPHABETS[alphabet], length, source)
        case {"crc": str(kind)}:
            return _checksum(kind, before)
        case {"base64": list(inner)}:
            return base64.b64encode(_join(inner, source))
        case {"url64": list(inner)}:
            return base64.urlsafe_b64encode(_join(inner, source)).rstrip(b"=")
        case {"bytes": int(length)}:
            return bytes(next(source) for _ in range(length))
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"jwt": dict(claims)}:
            return _jwt(claims, source)
        case {"pem": str(label), **options}:
            return _pem(label, options, source)
        case {"keystore": str(_)}:
            return _java_keystore(source)
        case {"bech32": str(human)}:
            return _bech32(human, source)
        case {"der": str(label)}:
            return base64.b64encode(_der(label, source))
        case {"nkey": int(kind)}:
            return _nkey(bytes((18 << 3 | kind >> 5, (kind & 31) << 3, *(next(source) for _ in range(32)))))
        case {"pgp": int(length)}:
            return _pgp(bytes(next(source) for _ in range(length)))
        case {"wif": int(version)}:
            return _wif(bytes((version, *(next(source) for _ in range(32)))))
        case {"ed25519": "numbers"}:
            return _numbers_of_a_pair(bytes(next(source) for _ in range(32)))
        case {"mnemonic": int(words)}:
            return _mnemonic(bytes(next(source) for _ in range(words * 4 // 3)))
        case _:
            raise ValueError(f"not a part of an example: {part!r}")


def _random(alphabet: bytes, length: int, source: Iterator[int]) -> bytes:
    """Characters of `alphabet`, none twice in a row, so that no example looks like a placeholder by chance."""
    text = bytearray()
    while len(text) < length:
        char = alphabet[next(source) % len(alphabet)]
        if not text or text[-1] != char:
            text.append(char)
    return bytes(text)


def _checksum(kind: str, before: bytes) -> bytes:
    """The checksum of the token that ends `before`: the last word of the text so far."""
    token = before.replace(b'"', b" ").replace(b"=", b" ").split()[-1]
    match kind:
        case "github":
            return base62(zlib.crc32(token.partition(b"_")[2]), 6)
        case "gitlab":
            return base36(zlib.crc32(token), 7)
        case "grafana":
            return zlib.crc32(token.rstrip(b"_")).to_bytes(4, "little").hex().encode()
        case "HEX":
            return b"=%08X" % zlib.crc32(token)
        case _:
            raise ValueError(f"not a checksum: {kind}")


def _jwt(claims: Mapping[str, Any], source: Iterator[int]) -> bytes:
    header = json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode()
    body = json.dumps(claims, separators=(",", ":")).encode()
    signature = bytes(next(source) for _ in range(32))
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, body, signature))


def _pem(label: str, options: Mapping[str, Any], source: Iterator[int]) -> bytes:
    """A block that parses as a key of its kind; its numbers are random, so it opens nothing."""
    body = base64.b64encode(_openssh(source, options) if "OPENSSH" in label else _der(label, source))
    lines = [body[i : i + _LINE] for i in range(0, len(body), _LINE)]
    if options.get("encrypted") and "RSA" in label:
        lines = [b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF", b"", *lines]
    dashes, name = b"-" * 5, label.encode()
    block = [dashes + b"BEGIN " + name + dashes, *lines, dashes + b"END " + name + dashes]
    return (b"\\n" if options.get("escaped") else b"\n").join(block)


def _der(label: str, source: Iterator[int]) -> bytes:
    numbers = b"".join(_tlv(0x02, bytes((1, *(next(source) for _ in range(size))))) for size in (128, 3, 128, 64, 64))
    pkcs1 = _tlv(0x30, _tlv(0x02, b"\0") + numbers)
    if "RSA" in label:
        return pkcs1
    if "EC" in label.split():
        return _tlv(0x30, _tlv(0x02, b"\1") + _tlv(0x04, bytes(next(source) for _ in range(32))))
    algorithm = _tlv(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    return _tlv(0x30, _tlv(0x02, b"\0") + algorithm + _tlv(0x04, pkcs1))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _openssh(source: Iterator[int], options: Mapping[str, Any]) -> bytes:
    cipher = b"aes256-ctr" if options.get("encrypted") else b"none"
    strings = (cipher, b"bcrypt" if options.get("encrypted") else b"none", b"")
    head = b"".join(len(text).to_bytes(4, "big") + text for text in strings)
    return b"openssh-key-v1\0" + head + (1).to_bytes(4, "big") + bytes(next(source) for _ in range(300))


def _java_keystore(source: Iterator[int]) -> bytes:
    """A JKS store with one private key of random bytes and no certificate."""
    key = bytes(next(source) for _ in range(200))
    entry = b"\0\0\0\1\0\3app" + bytes(8) + len(key).to_bytes(4, "big") + key + bytes(4)
    digest = bytes(next(source) for _ in range(20))
    return bytes.fromhex("feedfeed0000000200000001") + entry + digest


def _pgp(body: bytes) -> bytes:
    """An armoured block with its checksum; its packets are random."""
    from imgscan.detect.secrets.checksums import crc24

    label = b"PGP PRIVATE KEY " + b"BLOCK-----"
    text = base64.b64encode(body)
    lines = [text[i : i + _LINE] for i in range(0, len(text), _LINE)]
    checksum = b"=" + base64.b64encode(crc24(body).to_bytes(3, "big"))
    return b"\n".join((b"-----BEGIN " + label, b"", *lines, checksum, b"-----END " + label))


def _wif(payload: bytes) -> bytes:
    from imgscan.detect.secrets.checksums import double_sha256, to_base58

    return to_base58(payload + double_sha256(payload)[:4])


def _numbers_of_a_pair(seed: bytes) -> bytes:
    """A key pair as Solana's tools write it."""
    from imgscan.detect.secrets.curves import ed25519_public

    return json.dumps(list(seed + ed25519_public(seed)), separators=(",", ":")).encode()


def _mnemonic(entropy: bytes) -> bytes:
    """The words by their first four letters, which is all that a wallet needs of them."""
    from imgscan.detect.secrets.checksums import bip39_prefixes

    return b" ".join(bip39_prefixes(entropy))


def _nkey(body: bytes) -> bytes:
    """A seed of NATS: two bytes of kind, 32 random ones, and their CRC-16."""
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).rstrip(b"=")


def _bech32(human: str, source: Iterator[int]) -> bytes:
    """A bech32 string (BIP 173) over 32 random bytes, upper case as age writes it."""
    from imgscan.detect.secrets.validators import bech32_checksum

    alphabet = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
    values = [next(source) & 31 for _ in range(51)] + [0]
    return human.upper().encode() + b"1" + bytes(alphabet[v] for v in values + bech32_checksum(human.lower(), values))
