"""Offline checks of a secret's content: checksums and structure. No network, ever.

A check takes the secret's bytes and gives a `Checked`. `PROVEN` needs a checksum that random text fails; structure that
fits (a JSON that parses, a base64 of the right length) is `VALID` but may still be a specimen.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from imgscan.frozen import frozen
from imgscan.model import Severity, Validity

BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE36: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"
_LARGEST_JSON: Final = 16 * 1024
_URL64_OR_DOT: Final = frozenset(b"-_.")
_DISCORD_EPOCH_MS: Final = 1420070400000
_SPECIMEN_CLAIMS: Final = {"sub": "1234567890", "hello": "world", "foo": "bar", "some": "payload", "a": "b"}
"""Of jwt.io, and of the manuals of libraries."""


@frozen
class Checked:
    """What a check says. `detail` is a fact worth showing that gives nothing of the secret away; `proven` that a
    checksum fits; `severity`, when set, replaces the rule's. `public` is the fingerprint of a private key's public
    half, where that can be told."""

    validity: Validity
    proven: bool = False
    detail: str = ""
    severity: Severity | None = None
    public: str = ""


UNKNOWN: Final = Checked(validity=Validity.UNKNOWN)
VALID: Final = Checked(validity=Validity.VALID)
INVALID: Final = Checked(validity=Validity.INVALID)
PROVEN: Final = Checked(validity=Validity.VALID, proven=True)


def _verdict(fits: bool) -> Checked:
    return PROVEN if fits else INVALID


def base62(number: int, width: int) -> bytes:
    """A number in base 62 (digits, upper, lower case), padded with zeros."""
    return _in_base(number, BASE62, width)


def base36(number: int, width: int) -> bytes:
    """A number in base 36 (digits, lower case), padded with zeros."""
    return _in_base(number, BASE36, width)


def _in_base(number: int, alphabet: bytes, width: int) -> bytes:
    digits = bytearray()
    while number:
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return bytes(reversed(digits)).rjust(width, alphabet[:1])


def check_crc_base62(secret: bytes) -> Checked:
    """GitHub (`ghp_` and its sisters) and npm: the last six characters are the CRC-32 of the random part before them,
    in base 62. Source: GitHub's engineering blog, "Behind GitHub's new authentication token formats" (2021)."""
    _, _, body = secret.partition(b"_")
    return _verdict(base62(zlib.crc32(body[:-6]), 6) == body[-6:])


def check_github(secret: bytes) -> Checked:
    """Classic GitHub tokens carry a checksum; the installation tokens of 2026 (`ghs_<app>_<JWT>`) hold a JWT."""
    if secret.count(b".") == 2:
        return check_jwt(secret.split(b"_", 2)[-1])
    return check_crc_base62(secret)


def check_gitlab(secret: bytes) -> Checked:
    """GitLab's routable tokens (`glpat-payload.version.length+crc`): the last seven characters are the CRC-32 of all
    before them, in base 36. Older tokens of 20 characters carry no checksum."""
    if secret.count(b".") < 2:
        return UNKNOWN
    return _verdict(base36(zlib.crc32(secret[:-7]), 7) == secret[-7:])


def check_atlassian(secret: bytes) -> Checked:
    """Atlassian `ATATT3…=XXXXXXXX`: the last eight characters are the CRC-32 of what stands before the `=`, in upper
    case hexadecimal."""
    head, equals, tail = secret.rpartition(b"=")
    if not equals or len(tail) != 8:
        return UNKNOWN
    fits = tail.upper() in (b"%08X" % zlib.crc32(head), b"%08X" % zlib.crc32(head + b"="))
    return _verdict(fits)


def check_grafana(secret: bytes) -> Checked:
    """Grafana `glsa_<32>_<8 hex>`: the tail is the CRC-32 of `glsa_<32>`, little-endian, hexadecimal (Grafana's
    source, `satokengen`); other Grafana tokens hold JSON."""
    if not secret.startswith(b"glsa_"):
        return check_json_part(secret)
    head, _, tail = secret.rpartition(b"_")
    return _verdict(tail.lower() == zlib.crc32(head).to_bytes(4, "little").hex().encode())


def check_aws_key_id(secret: bytes) -> Checked:
    """An AWS access key id carries the account's number in base 32 (since 2019; the ids that start AKIAI or AKIAJ are
    older). The layout was published by several researchers: 47 bits from the second bit on are the account."""
    if secret[4:5] in b"IJ":
        return UNKNOWN
    try:
        number = int.from_bytes(base64.b32decode(secret[4:20])[:6], "big")
    except (binascii.Error, ValueError):
        return INVALID
    account = (number & 0x7FFFFFFFFF80) >> 7
    if account >= 10**12:
        return UNKNOWN
    return Checked(validity=Validity.VALID, detail=f"AWS account {account:012d}")


def check_pypi(secret: bytes) -> Checked:
    """A PyPI token is a version 2 macaroon in URL-safe base64 whose location is the index's host name."""
    raw = decode_base64(secret.partition(b"-")[2])
    if raw is None or len(raw) < 4 or raw[0] != 2 or raw[1] != 1:
        return INVALID
    location = raw[3 : 3 + raw[2]]
    return VALID if location in (b"pypi" + b".org", b"test.pypi" + b".org") else UNKNOWN


def decode_base64(text: bytes) -> bytes | None:
    """Base64 of either alphabet, padded or not; None if it is none."""
    compact = re.sub(rb"[\s]|\\[rn]", b"", text).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def decode_json(text: bytes | None) -> object:
    """A JSON value, or None if it is none or too large to be part of a token."""
    if text is None or len(text) > _LARGEST_JSON:
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def check_jwt(secret: bytes) -> Checked:
    """A JSON Web Token: header and claims parse (RFC 7519). One that has expired is no secret any more: info."""
    parts = secret.split(b".")
    header = decode_json(decode_base64(parts[0]))
    claims = decode_json(decode_base64(parts[1])) if len(parts) > 1 else None
    if not isinstance(header, dict) or "alg" not in header:
        return INVALID
    if not isinstance(claims, dict):
        return UNKNOWN
    made_up = all(_SPECIMEN_CLAIMS.get(claim) == value for claim, value in claims.items())
    if made_up or claims.get("sub") == _SPECIMEN_CLAIMS["sub"]:
        return Checked(validity=Validity.VALID, detail="the claims of a specimen", severity=Severity.INFO)
    expires = claims.get("exp")
    if isinstance(expires, int | float) and not isinstance(expires, bool) and expires < time.time():
        return Checked(validity=Validity.INVALID, detail="expired", severity=Severity.INFO)
    if claims.get("role") == "service_role":
        return Checked(validity=Validity.VALID, detail="role service_role: full access", severity=Severity.CRITICAL)
    if claims.get("role") == "anon":
        return Checked(validity=Validity.VALID, detail="role anon: made to be shown to users", severity=Severity.LOW)
    return Checked(validity=Validity.VALID, detail="" if expires is not None else "never expires")


def check_gcp_service_account(secret: bytes) -> Checked:
    """A Google service account file: the JSON parses, says so, and holds a private key."""
    value = decode_json(secret)
    if not isinstance(value, dict):
        return UNKNOWN
    key = value.get("private_key")
    fits = value.get("type") == "service_account" and isinstance(key, str) and "PRIVATE KEY-----" in key
    return VALID if fits else INVALID


def check_basic_auth(secret: bytes) -> Checked:
    """Base64 of `user:password`, as in a registry's `auth` and in a Basic header; placeholders are invalid. Services
    that take a token for the password take any user, none too (Azure DevOps). What base64 of text has no characters
    for, as a registry's `identitytoken`, is not judged."""
    if not _URL64_OR_DOT.isdisjoint(secret):
        return UNKNOWN
    raw = decode_base64(secret)
    if raw is None or b":" not in raw or not all(0x20 <= c < 0x7F for c in raw):
        return INVALID
    return VALID if raw.partition(b":")[2] else INVALID


def check_azure_storage(secret: bytes) -> Checked:
    """An Azure storage account key is 64 bytes in base64; those issued since 2021 have `+ASt` at 76 to 79."""
    raw = decode_base64(secret)
    if raw is None or len(raw) != 64:
        return INVALID
    return VALID if secret[76:80] == b"+ASt" else UNKNOWN


def check_discord(secret: bytes) -> Checked:
    """A Discord bot token starts with the bot's id (a snowflake: milliseconds since 2015 and a counter) in base64."""
    raw = decode_base64(secret.split(b".")[0])
    if raw is None or not raw.isdigit() or len(raw) > 20:
        return INVALID
    created_ms = (int(raw) >> 22) + _DISCORD_EPOCH_MS
    return VALID if _DISCORD_EPOCH_MS < created_ms <= time.time() * 1000 else INVALID


def check_json_part(secret: bytes) -> Checked:
    """A token whose part after the prefix is base64 of a JSON object (Sentry `sntrys_`, Grafana `glc_`, 1Password
    `ops_`, Mapbox `sk.`)."""
    body = re.sub(rb"^(?:sntrys_|glc_|ops_|sk\.)", b"", secret)
    parts = re.split(rb"[_.]", body)
    return VALID if isinstance(decode_json(decode_base64(parts[0])), dict) else UNKNOWN


def check_bech32(secret: bytes) -> Checked:
    """An age identity is bech32 (BIP 173): the last six characters are a checksum over all."""
    alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    text = secret.lower()
    human, _, data = text.rpartition(b"1")
    if not human or any(c not in alphabet for c in data):
        return INVALID
    return _verdict(_bech32_polymod(_expanded(human) + [alphabet.index(c) for c in data]) == 1)


def bech32_checksum(human: str, values: list[int]) -> list[int]:
    """The six values that end a bech32 string of `values` (0 to 31 each)."""
    checksum = _bech32_polymod([*_expanded(human.encode()), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    return [checksum >> 5 * (5 - i) & 31 for i in range(6)]


def _expanded(human: bytes) -> list[int]:
    return [c >> 5 for c in human] + [0] + [c & 31 for c in human]


def _bech32_polymod(values: list[int]) -> int:
    generator = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, constant in enumerate(generator):
            checksum ^= constant if top >> bit & 1 else 0
    return checksum


def check_crc_deno(secret: bytes) -> Checked:
    """Deno Deploy's tokens end, like GitHub's, in six characters of CRC-32 in base 62; that was observed and is not
    documented, so a token that has another end is only not proven."""
    return PROVEN if check_crc_base62(secret) is PROVEN else UNKNOWN


def _check_private_key(secret: bytes) -> Checked:
    from imgscan.detect.secrets.pem import check_private_key

    return check_private_key(secret)


def _check_unframed_key(secret: bytes) -> Checked:
    from imgscan.detect.secrets.pem import check_unframed

    return check_unframed(secret)


def _checksum(name: str) -> Callable[[bytes], Checked]:
    """A check of `checksums`, which few scans need."""

    def check_it(secret: bytes) -> Checked:
        from imgscan.detect.secrets import checksums

        checked: Checked = getattr(checksums, name)(secret)
        return checked

    return check_it


VALIDATORS: Final[Mapping[str, Callable[[bytes], Checked]]] = {
    "crc-base62": check_crc_base62,
    "github": check_github,
    "gitlab": check_gitlab,
    "atlassian": check_atlassian,
    "grafana": check_grafana,
    "aws-key-id": check_aws_key_id,
    "pypi": check_pypi,
    "jwt": check_jwt,
    "gcp-service-account": check_gcp_service_account,
    "basic-auth": check_basic_auth,
    "azure-storage": check_azure_storage,
    "discord": check_discord,
    "json-part": check_json_part,
    "bech32": check_bech32,
    "private-key": _check_private_key,
    "unframed-key": _check_unframed_key,
    "deno": check_crc_deno,
    "base58check": _checksum("check_base58check"),
    "ed25519-pair": _checksum("check_ed25519_pair"),
    "bip39": _checksum("check_bip39"),
    "nkey": _checksum("check_nkey"),
    "pgp-crc24": _checksum("check_pgp_crc24"),
    "putty": _checksum("check_putty"),
    "jfrog": _checksum("check_jfrog"),
    "bitbucket": _checksum("check_bitbucket"),
}


def check(names: tuple[str, ...], secret: bytes) -> Checked:
    """The first check that says anything."""
    for name in names:
        checked = VALIDATORS[name](secret)
        if checked.validity is not Validity.UNKNOWN:
            return checked
    return UNKNOWN
