"""Certificates and login keys that pass by while files are searched for secrets: matches in, public keys out.

They are no secrets; what they tell is which private key of the same image is in use. They are looked for with the
secrets' own matcher, so they cost nothing where there are none.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.pem import body_of
from imgscan.detect.secrets.publickeys import SeenKey, read_certificate, read_login
from imgscan.detect.secrets.rules import SecretRule
from imgscan.detect.secrets.validators import decode_base64
from imgscan.model import Confidence, Rule, Severity

_PEM: Final = "public-certificate-pem"
_DER: Final = "public-certificate-der"
_LOGIN: Final = "public-login-key"
_LONGEST_CERTIFICATE: Final = 16 * 1024


def _rule(
    rule_id: str,
    pattern: bytes,
    trigger: bytes = b"",
    *,
    max_length: int = 64,
    prefixes: tuple[str, ...] = (),
    path: re.Pattern[str] | None = None,
) -> SecretRule:
    about = Rule(
        id=rule_id,
        title="public key",
        severity=Severity.INFO,
        confidence=Confidence.HIGH,
        why="",
        fix="",
        bad="",
        good="",
    )
    return SecretRule(
        about=about,
        patterns=(pattern,),
        triggers=(trigger or pattern,),
        max_length=max_length,
        prefixes=prefixes,
        path=path,
    )


PUBLIC_RULES: Final = (
    _rule(
        _PEM,
        rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----((?:[^-]|-{1,4}[^-])*?)-----END ",
        rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----",
        max_length=_LONGEST_CERTIFICATE,
        prefixes=("-----BEGIN CERTIF",),
    ),
    # SEQUENCE { SEQUENCE { [0] { INTEGER 2 } INTEGER …: version 3, both lengths in two bytes. Bytes above 127 stand in
    # ranges, since RE2's filter takes literals for UTF-8.
    _rule(
        _DER,
        rb"(0[\x80-\x8f][\x00-\xff][\x00-\xff]0[\x80-\x8f][\x00-\xff][\x00-\xff][\xa0-\xaf]\x03\x02\x01\x02\x02)",
    ),
    _rule(
        _LOGIN,
        rb"((?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)) AAAA[A-Za-z0-9+/]{40,})",
        rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)) AAAA",
        max_length=4096,
        path=re.compile(r"(?:^|/)authorized_keys(?:2|\.d/[^/]*)?$"),
    ),
)
"""What is looked for beside the secrets; these rules make no findings and are in no list."""
_IDS: Final = frozenset(rule.id for rule in PUBLIC_RULES)


def is_public_match(match: Match) -> bool:
    """Whether a match is of one of the rules of this module."""
    return match.rule.id in _IDS


def seen_key(match: Match, data: bytes) -> SeenKey | None:
    """The public key that a match in block `data` shows; None if it is none that can be read."""
    if match.rule.id == _LOGIN:
        return read_login(match.secret)
    if match.rule.id == _PEM:
        body = body_of(match.secret)
        certificate = decode_base64(body) if body else None
        return read_certificate(certificate) if certificate else None
    length = 4 + int.from_bytes(data[match.start + 2 : match.start + 4], "big")
    return read_certificate(data[match.start : match.start + length])
