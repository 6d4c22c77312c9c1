"""Private keys in PEM form, parsed: RFC 7468 armour, PKCS#1, SEC 1, PKCS#8 (RFC 5958), OpenSSH's own, PuTTY, OpenPGP.

Enough structure is read to tell a key from a specimen or a regular expression in source code, and an encrypted key from
one that anybody can use; the key itself is never used.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets.der import INTEGER, OCTETS, SEQUENCE, element
from imgscan.detect.secrets.escapes import LINE_END, readings
from imgscan.detect.secrets.publickeys import blob_of_private, fingerprint_of, is_known_to_ssh
from imgscan.detect.secrets.validators import UNKNOWN, Checked, decode_base64
from imgscan.lazyre import lazy_re
from imgscan.model import Severity, Validity

_BLOCK: Final = lazy_re(
    rb"-----BEGIN( |\+|%(?:25)?20)([A-Z0-9 +%]{0,40}?PRIVATE(?: |\+|%(?:25)?20)KEY(?: BLOCK)?)-----(.*)", re.DOTALL
)
_HEADER: Final = lazy_re(rb"^[A-Za-z][A-Za-z0-9-]*: .*$")
# A line of a key, alone or as a comment or a string literal of source code.
_KEY_LINE: Final = lazy_re(rb"^[\s#*>|]*(?://\s)?[\"'`]?([A-Za-z0-9+/=\s]*?)(?:[\"'`][\s+.,;)\\]*|\\)?\s*$")
_BASE64: Final = lazy_re(rb"[A-Za-z0-9+/]+={0,2}(?:=[A-Za-z0-9+/]{4})?")  # with the checksum of OpenPGP's armour
_QUOTE: Final = lazy_re(rb"[\"'`]")
_ESCAPED_END: Final = lazy_re(rb"\\[rnt]|\s")
_BEGINNINGS: Final = (b"M", b"b3BlbnNzaC1rZXktdjE")
"""Of a sequence in DER, and of OpenSSH's keys, in base64."""
_SIGNS: Final = b"+/="
_FEWEST_DISTINCT: Final = 8
_PLAIN_BODY: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + _SIGNS + b"\r\n"
_SHORTEST_BODY: Final = 40
_ADDED: Final = b"\n+"
"""Before END, where a diff adds a key: its sign is one of base64's, too."""
_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_SHORTEST_OPENSSH: Final = 234
_BROKEN: Final = Checked(validity=Validity.INVALID, severity=Severity.MEDIUM)


def check_private_key(secret: bytes) -> Checked:
    """Whether a PEM block holds a key that parses, whether it is encrypted, and the fingerprint of its public half. Of
    one that does not parse (it is cut off, or a specimen) and of an encrypted one the severity is medium."""
    block = _block(secret)
    if block is None:
        return UNKNOWN
    label, rest = block
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


def _block(secret: bytes) -> tuple[bytes, bytes] | None:
    """What a PEM block says it is, and what stands between BEGIN and END."""
    block = _BLOCK.search(secret)
    if block is None:
        return None
    text = block.group(3).partition(b"-----END")[0]
    # Where a form was sent, a `+` stands for a blank, and %2B for itself.
    return block.group(2), text.replace(b"+", b" ") if block.group(1) == b"+" else text


def body_of(text: bytes) -> bytes | None:
    """The base64 of a PEM block without headers, line ends, the string quotes of source code, escapes, and what stands
    before each line; None when a line is something else."""
    if text[-2:] != _ADDED and not text.translate(None, _PLAIN_BODY):
        # As nearly all are written: nothing but base64 in lines.
        body = b"".join(line for line in text.split() if line.strip(_SIGNS))
        if b"=" not in body[:-2]:
            return body
    tried = (_joined(each) for each in readings(text))
    whole = next((body for body in tried if body is not None and _is_body(body)), None)
    return whole or _of_literals(text) or _joined(text)


def _is_body(body: bytes) -> bool:
    return len(body) >= _SHORTEST_BODY and _BASE64.fullmatch(body) is not None


def _of_literals(text: bytes) -> bytes | None:
    """The base64 of string literals that a program puts together, however it does: what stands between two of them is
    left out. BEGIN stands in the first."""
    quote = _QUOTE.search(text)
    if quote is None:
        return None
    body = b"".join(_ESCAPED_END.sub(b"", piece) for piece in text.split(quote[0])[::2])
    return body if _is_body(body) and body.startswith(_BEGINNINGS) else None


def _joined(text: bytes) -> bytes | None:
    """The base64 of lines as they stand; line ends may be escaped, and slashes as in PHP's JSON."""
    pieces = []
    for written in LINE_END.split(text.replace(b"\\/", b"/")):
        # Blanks only one by one: the pattern may divide a long run of them in many ways.
        line = b" ".join(written.split())
        found = _KEY_LINE.match(line)
        if found is None and _HEADER.match(line) is None:
            return None
        if found is not None and re.search(rb"[A-Za-z0-9]", line) is not None:
            pieces.append(b"".join(found.group(1).split()))
    return b"".join(pieces)


def key_digest_text(secret: bytes) -> bytes:
    """What a published key is known by: the base64 of a PEM block, however its lines are broken; else the secret."""
    block = _block(secret)
    body = body_of(block[1]) if block is not None else None
    return body or secret.strip()


def lacks_key_body(secret: bytes) -> bool:
    """True when between BEGIN and END stands no base64 of 30 bytes and more: an ellipsis, source code, prose, or a few
    letters over and over."""
    block = _block(secret)
    body = body_of(block[1]) if block is not None else None
    return body is None or not _is_body(body) or len(set(body)) < _FEWEST_DISTINCT


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
    """OpenSSH's PROTOCOL.key: magic, then cipher name, KDF name, ... as length-prefixed strings, both halves.
    The shortest, of Ed25519 without a comment, takes 234 bytes."""
    if not der.startswith(_OPENSSH_MAGIC) or len(der) < _SHORTEST_OPENSSH:
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
