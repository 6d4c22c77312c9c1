"""Private keys in PEM form, parsed: RFC 7468 armour, PKCS#1, SEC 1, PKCS#8 (RFC 5958), OpenSSH's own, PuTTY, OpenPGP.

Enough structure is read to tell a key from a specimen or a regular expression in source code, and an encrypted key from
one that anybody can use; the key itself is never used.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets.der import INTEGER, OCTETS, SEQUENCE, element
from imgscan.detect.secrets.publickeys import blob_of_private, fingerprint_of, is_known_to_ssh
from imgscan.detect.secrets.validators import UNKNOWN, Checked, decode_base64
from imgscan.lazyre import lazy_re
from imgscan.model import Severity, Validity

_BLOCK: Final = lazy_re(rb"-----BEGIN ([A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?)-----(.*)", re.DOTALL)
_HEADER: Final = lazy_re(rb"^[A-Za-z][A-Za-z0-9-]*: .*$")
_LINE_END: Final = lazy_re(rb"(?:\\+[rn]|[\r\n])+")
# A line of a key, alone or as a comment or a string literal of source code.
_KEY_LINE: Final = lazy_re(rb"^[\s#*>|]*(?://\s)?[\"'`]?([A-Za-z0-9+/=\s]*?)(?:[\"'`][\s+.,;)\\]*|\\)?\s*$")
_BASE64: Final = lazy_re(rb"[A-Za-z0-9+/]+={0,2}(?:=[A-Za-z0-9+/]{4})?")  # with the checksum of OpenPGP's armour
_SIGNS: Final = b"+/="
_PLAIN_BODY: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + _SIGNS + b"\r\n"
_SHORTEST_BODY: Final = 40
_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_BROKEN: Final = Checked(validity=Validity.INVALID, severity=Severity.MEDIUM)


def check_private_key(secret: bytes) -> Checked:
    """Whether a PEM block holds a key that parses, whether it is encrypted, and the fingerprint of its public half. Of
    one that does not parse (it is cut off, or a specimen) and of an encrypted one the severity is medium."""
    block = _BLOCK.search(secret)
    if block is None:
        return UNKNOWN
    label, rest = block.group(1), block.group(2).partition(b"-----END")[0]
    if b"ENCRYPTED" in label or b"ENCRYPTED" in rest[:200]:
        return _encrypted("", b"")
    if b"BLOCK" in label:
        return UNKNOWN
    body = body_of(rest)
    der = decode_base64(body) if body is not None else None
    if der is None:
        return _BROKEN
    if b"OPENSSH" in label:
        return _check_openssh(der)
    return _plain(der) if holds_key(der) else _BROKEN


def body_of(text: bytes) -> bytes | None:
    """The base64 of a PEM block without headers, line ends (escaped too, as the slashes of PHP's JSON) and the string
    quotes of source code; None when a line is something else."""
    if not text.translate(None, _PLAIN_BODY):
        # As nearly all are written: nothing but base64 in lines.
        return b"".join(line for line in text.split() if line.strip(_SIGNS))
    pieces = []
    for line in _LINE_END.split(text.replace(b"\\/", b"/")):
        found = _KEY_LINE.match(line)
        if found is None and _HEADER.match(line.strip()) is None:
            return None
        if found is not None and re.search(rb"[A-Za-z0-9]", line) is not None:
            pieces.append(b"".join(found.group(1).split()))
    return b"".join(pieces)


def key_digest_text(secret: bytes) -> bytes:
    """What a published key is known by: the base64 of a PEM block, however its lines are broken; else the secret."""
    block = _BLOCK.search(secret)
    body = body_of(block.group(2).partition(b"-----END")[0]) if block is not None else None
    return body or secret.strip()


def lacks_key_body(secret: bytes) -> bool:
    """True when between BEGIN and END stands no base64 of 30 bytes and more: an ellipsis, source code, prose."""
    block = _BLOCK.search(secret)
    if block is None:
        return True
    body = body_of(block.group(2).partition(b"-----END")[0])
    return body is None or len(body) < _SHORTEST_BODY or _BASE64.fullmatch(body) is None


def check_unframed(secret: bytes) -> Checked:
    """The body of a key in one line, without the lines that say what it is: DER in base64."""
    der = decode_base64(secret)
    return _plain(der) if der is not None and holds_key(der) else _BROKEN


def _encrypted(cipher: str, der: bytes) -> Checked:
    public, shown = _public_half(der)
    detail = (f"encrypted with {cipher}" if cipher else "encrypted") + shown
    return Checked(validity=Validity.VALID, detail=detail, severity=Severity.MEDIUM, public=public)


def _plain(der: bytes) -> Checked:
    public, shown = _public_half(der)
    return Checked(validity=Validity.VALID, detail=f"not encrypted{shown}", public=public)


def _public_half(der: bytes) -> tuple[str, str]:
    """The fingerprint of a key's public half, and what to show of it."""
    blob = blob_of_private(der)
    if blob is None:
        return "", ""
    public = fingerprint_of(blob)
    return public, f", {public}" if is_known_to_ssh(blob) else ""


def _check_openssh(der: bytes) -> Checked:
    """OpenSSH's PROTOCOL.key: magic, then cipher name, KDF name, ... as length-prefixed strings."""
    if not der.startswith(_OPENSSH_MAGIC):
        return _BROKEN
    at = len(_OPENSSH_MAGIC)
    length = int.from_bytes(der[at : at + 4], "big")
    cipher = der[at + 4 : at + 4 + length]
    if not 0 < length <= 64 or len(cipher) != length or not cipher.isascii():
        return _BROKEN
    if cipher == b"none":
        return _plain(der)
    return _encrypted(re.sub(r"[^A-Za-z0-9@._-]", "", cipher.decode("ascii")), der)


def holds_key(der: bytes) -> bool:
    """True for a DER SEQUENCE that starts like a private key: a version, then an integer (PKCS#1, DSA), an octet string
    (SEC 1) or an algorithm (PKCS#8), and that is not cut off."""
    outer = element(der, 0)
    if outer is None or outer.tag != SEQUENCE or outer.end > len(der):
        return False
    version = element(der, outer.start)
    if version is None or version.tag != INTEGER or version.end - version.start > 1 or version.end > len(der):
        return False
    second = element(der, version.end)
    return second is not None and second.tag in (INTEGER, OCTETS, SEQUENCE) and second.end <= len(der)
