"""`scheme://user:password@host`: which passwords are secrets, and how bad it is at that host."""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets import filters
from imgscan.model import Confidence, Severity

URI_CREDENTIALS: Final = "secret-uri-credentials"
_URI: Final = re.compile(
    rb"([A-Za-z][A-Za-z0-9+.-]{1,30})://([^:@/\s]{0,80}):(.{1,200})@([A-Za-z0-9_.-]{1,200}|\[[0-9A-Fa-f:]+\])$"
)
_SPECIMEN_HOST: Final = re.compile(
    rb"(?:^|\.)(?:example|test|invalid)(?:\.(?:com|org|net|io|local))?$|^(?:host|hostname|server|servername|domain|address|ip|url|"
    rb"proxy|proxyhost|your[-_.].*|my[-_]?(?:host|server|proxy|domain).*|my[a-z]*\.com|foo|bar|foo\.[a-z]+|somewhere.*|some[-_].*|"
    rb"x{2,}.*|h|a\.b(?:\.c)?|\.+|google\.com|github\.com\.?[-_].*)$",
    re.IGNORECASE,
)
_LOCAL_HOST: Final = re.compile(
    rb"^(?:localhost|127\.[0-9.]+|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal)$", re.IGNORECASE
)
_GENERIC_USER: Final = frozenset(
    b"user username usr name login me your-user my_user myuser someuser foo joe john jdoe alice bob u a".split()
)
_STRUCTURED: Final = re.compile(rb"[%$]\{|[{}$<>]|^%[sdvr]$|^:|^\*+$|\\[(x]|%\(")
_RANDOM_LENGTH: Final = 12
_RANDOM_BITS: Final = 2.8


def judge_uri(match: bytes) -> tuple[Severity, Confidence] | None:
    """Severity and confidence of the password in a whole match; None when it is a reference or a specimen."""
    parts = _URI.search(match)
    if parts is None:
        return None
    _, user, password, host = parts.groups()
    if _is_specimen(user, password, host):
        return None
    weak = filters.is_weak_password(password) or password.lower() == user.lower() or filters.is_placeholder(password)
    local = _LOCAL_HOST.match(host) is not None
    if weak:
        return None if local or user.lower() in _GENERIC_USER else (Severity.LOW, Confidence.LOW)
    random = (
        len(password) >= _RANDOM_LENGTH
        and filters.shannon_bits(password) >= _RANDOM_BITS
        and not filters.lacks_digits(password)
    )
    if local:
        return (Severity.MEDIUM, Confidence.MEDIUM) if random else (Severity.LOW, Confidence.LOW)
    return Severity.HIGH, Confidence.HIGH if random else Confidence.MEDIUM


def _is_specimen(user: bytes, password: bytes, host: bytes) -> bool:
    """True for a template or the documentation of a URI rather than one."""
    if (
        _STRUCTURED.search(password) is not None
        or _STRUCTURED.search(user) is not None
        or filters.is_reference(password)
    ):
        return True
    if _SPECIMEN_HOST.search(host) is not None or filters.is_number(password) and len(password) < 6:
        return True
    generic = user.lower() in _GENERIC_USER or filters.is_placeholder(user)
    return generic and (
        filters.is_placeholder(password) or filters.is_weak_password(password) or filters.is_one_word(password)
    )


def uri_context(match: bytes) -> str:
    """The URI with user and password taken out: scheme and host."""
    parts = _URI.search(match)
    if parts is None:
        return "•••://•••"
    scheme, _, _, host = parts.groups()
    return f"{scheme.decode('ascii')}://•••:•••@{host.decode('ascii')}"
