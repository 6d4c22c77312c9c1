"""Public keys, read from certificates, authorized_keys and private keys: their bytes in, one form for all of them out.

That form is SSH's (RFC 4253, section 6.6; RFC 5656; RFC 8709), since its SHA-256 is the fingerprint that ssh-keygen
prints. Certificates are X.509 (RFC 5280), of which the name, the end and the key are read and nothing is verified.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
from typing import Final

import msgspec

from imgscan.detect.secrets import der
from imgscan.detect.secrets.curves import NIST, ed25519_public, nist_point
from imgscan.lazyre import lazy_re

_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_RSA: Final = bytes.fromhex("2a864886f70d010101")
_DSA: Final = bytes.fromhex("2a8648ce380401")
_EC: Final = bytes.fromhex("2a8648ce3d0201")
_ED25519: Final = bytes.fromhex("2b6570")
_COMMON_NAME: Final = bytes.fromhex("550403")
_EXPLICIT_0, _EXPLICIT_1, _BITS_1 = 0xA0, 0xA1, 0x81
_UTC_TIME, _LONG_TIME = 0x17, 0x18
_TIME: Final = lazy_re(rb"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?Z")
_LONGEST_NAME: Final = 64
_SSH_TYPES: Final = lazy_re(rb"ssh-|ecdsa-sha2-nistp")


class SeenKey(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """A public key that a file shows. `fingerprint` as in `fingerprint_of`; of a certificate (else it is a login's) the
    subject's common name, as text that may be shown, and when it ends, in seconds since 1970."""

    fingerprint: str
    certificate: bool = False
    name: str = ""
    expires: int = 0


def fingerprint_of(blob: bytes) -> str:
    """`SHA256:…` of a public key in SSH's form, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode("ascii")


def is_known_to_ssh(blob: bytes) -> bool:
    """Whether SSH has a name for keys of this type, so that its tools would print the fingerprint."""
    return _SSH_TYPES.match(blob[4:]) is not None


def _pack(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _mpint(content: bytes) -> bytes:
    """The content of a DER INTEGER that is positive, without zeros that it does not need."""
    content = content.lstrip(b"\0")
    return b"\0" + content if content and content[0] & 0x80 else content


def _rsa_blob(modulus: bytes, exponent: bytes) -> bytes:
    return _pack(b"ssh-rsa", _mpint(exponent), _mpint(modulus))


def _ec_blob(curve_id: bytes, point: bytes) -> bytes | None:
    if point[:1] != b"\4":
        return None
    curve = NIST.get(curve_id)
    name = curve.ssh if curve is not None else b"curve-" + curve_id.hex().encode()
    return _pack(b"ecdsa-sha2-" + name, name, point)


def blob_of_info(info: bytes) -> bytes | None:
    """The key of a SubjectPublicKeyInfo, the content of its SEQUENCE included."""
    parts = der.sequence(info)
    if len(parts) < 2 or parts[0][0] != der.SEQUENCE or parts[1][0] != der.BIT_STRING:
        return None
    algorithm = _inside(parts[0][1])
    bits = parts[1][1][1:]
    kind = algorithm[0][1] if algorithm else b""
    if kind == _RSA:
        numbers = der.sequence(bits)
        return _rsa_blob(numbers[0][1], numbers[1][1]) if len(numbers) == 2 else None
    if kind == _EC and len(algorithm) > 1:
        return _ec_blob(algorithm[1][1], bits)
    if kind == _DSA and len(algorithm) > 1:
        numbers, public = _inside(algorithm[1][1]), der.element(bits, 0)
        if len(numbers) == 3 and public is not None:
            return _pack(b"ssh-dss", *(_mpint(n) for _, n in numbers), _mpint(bits[public.start : public.end]))
    return _pack(b"ssh-ed25519", bits) if kind == _ED25519 and len(bits) == 32 else None


def _inside(content: bytes) -> list[tuple[int, bytes]]:
    return list(der.children(content, der.Element(der.SEQUENCE, 0, len(content))))


def blob_of_private(key: bytes) -> bytes | None:
    """The public half of a private key in DER (PKCS#1, SEC 1, PKCS#8, OpenSSL's DSA) or OpenSSH's own form, which has
    it in clear even where the key is encrypted; None where it cannot be told."""
    if key.startswith(_OPENSSH_MAGIC):
        return _openssh_blob(key)
    parts = der.sequence(key)
    tags = [tag for tag, _ in parts]
    if len(parts) >= 9 and set(tags[:9]) == {der.INTEGER}:
        return _rsa_blob(parts[1][1], parts[2][1])
    if len(parts) == 6 and set(tags) == {der.INTEGER}:
        return _pack(b"ssh-dss", *(_mpint(content) for _, content in parts[1:5]))
    if tags[:2] == [der.INTEGER, der.OCTETS]:
        return _sec1_blob(parts, b"")
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTETS]:
        return _pkcs8_blob(_inside(parts[1][1]), parts[2][1])
    return None


def _pkcs8_blob(algorithm: list[tuple[int, bytes]], inner: bytes) -> bytes | None:
    kind = algorithm[0][1] if algorithm else b""
    if kind == _RSA:
        return blob_of_private(inner)
    if kind == _EC and len(algorithm) > 1:
        return _sec1_blob(der.sequence(inner), algorithm[1][1])
    seed = der.element(inner, 0)
    if (
        kind == _ED25519
        and seed is not None
        and seed.tag == der.OCTETS
        and seed.end - seed.start == 32 == len(inner) - 2
    ):
        return _pack(b"ssh-ed25519", ed25519_public(inner[seed.start : seed.end]))
    return None


def _sec1_blob(parts: list[tuple[int, bytes]], curve_id: bytes) -> bytes | None:
    """An ECPrivateKey (RFC 5915): curve and public point are optional in it; the point can be had from the scalar."""
    if len(parts) < 2:
        return None
    fields = dict(parts[2:])
    if _EXPLICIT_0 in fields:
        named = der.element(fields[_EXPLICIT_0], 0)
        curve_id = fields[_EXPLICIT_0][named.start : named.end] if named is not None else curve_id
    if _EXPLICIT_1 in fields:
        bits = der.element(fields[_EXPLICIT_1], 0)
        if bits is not None:
            return _ec_blob(curve_id, fields[_EXPLICIT_1][bits.start + 1 : bits.end])
    curve, scalar = NIST.get(curve_id), parts[1][1]
    if curve is None or len(scalar) > curve.size:
        return None
    try:
        point = nist_point(curve, int.from_bytes(scalar, "big"))
    except ValueError:  # the scalar passes through the point at infinity: no key does
        return None
    return _ec_blob(curve_id, point) if point is not None else None


def _openssh_blob(key: bytes) -> bytes | None:
    """PROTOCOL.key: cipher, its key derivation and that one's options, a count, then the public key."""
    at = len(_OPENSSH_MAGIC)
    for _ in range(3):
        at += 4 + int.from_bytes(key[at : at + 4], "big")
    at += 4
    length = int.from_bytes(key[at : at + 4], "big")
    blob = key[at + 4 : at + 4 + length]
    return blob if blob and len(blob) == length else None


def read_certificate(certificate: bytes) -> SeenKey | None:
    """The key, name and end of an X.509 certificate; None if it is none, or its key is of an unknown type."""
    outer = der.sequence(certificate)
    fields = _inside(outer[0][1]) if len(outer) == 3 and outer[0][0] == der.SEQUENCE else []
    if fields and fields[0][0] == _EXPLICIT_0:
        fields = fields[1:]
    if len(fields) < 6:
        return None
    # serial, signature, issuer, validity, subject, subjectPublicKeyInfo
    info = fields[5][1]
    blob = blob_of_info(_as_sequence(info))
    if blob is None:
        return None
    times = _inside(fields[3][1])
    return SeenKey(
        fingerprint=fingerprint_of(blob),
        certificate=True,
        name=_common_name(fields[4][1]),
        expires=_seconds(*times[1]) if len(times) == 2 else 0,
    )


def _as_sequence(content: bytes) -> bytes:
    return b"\x30\x84" + len(content).to_bytes(4, "big") + content


def read_login(line: bytes) -> SeenKey | None:
    """The key of a line of authorized_keys, from its type on: `ssh-ed25519 AAAA…`."""
    kind, _, text = line.partition(b" ")
    try:
        blob = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    return SeenKey(fingerprint=fingerprint_of(blob)) if blob.startswith(_pack(kind)) else None


def _common_name(subject: bytes) -> str:
    for _, relative in _inside(subject):
        for _, pair in _inside(relative):
            parts = _inside(pair)
            if len(parts) == 2 and parts[0][1] == _COMMON_NAME:
                text = parts[1][1].decode("utf-8", "replace")
                return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:_LONGEST_NAME]
    return ""


def _seconds(tag: int, text: bytes) -> int:
    """UTCTime and GeneralizedTime (RFC 5280, section 4.1.2.5); 0 for what is no time."""
    found = _TIME.fullmatch(text)
    if found is None or tag not in (_UTC_TIME, _LONG_TIME):
        return 0
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    if len(found.group(1)) == 2:
        year += 2000 if year < 50 else 1900
    if not (1 <= month <= 12 and 1 <= day <= 31 and year >= 1):
        return 0
    return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0))
