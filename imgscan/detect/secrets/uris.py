"""`scheme://user:password@host`: which passwords are secrets, and how bad it is at that host."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from imgscan.detect.secrets import filters, wording
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.wordlists import byte_words
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity

URI_CREDENTIALS: Final = "secret-uri-credentials"
_URI: Final = lazy_re(
    rb"([A-Za-z][A-Za-z0-9+.-]{1,30})(?:\\?://|:\\/\\/)([^:@/\s]{0,80}):(.{1,200})@([A-Za-z0-9_.-]{1,200}|\[[0-9A-Fa-f:]+\])$"
)
_URI_INSIDE: Final = lazy_re(
    rb"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/?#\"'`<>]{0,80}:[^\s@/?#\"'`<>]{1,160}@"
    rb"(?:[A-Za-z0-9_.-]{1,200}|\[[0-9A-Fa-f:]{2,40}\])"
)
_SPECIMEN_HOST: Final = lazy_re(
    rb"(?:^|\.)(?:example|test|invalid|bogus)(?:\.(?:com|org|net|io|local))?$|(?:^|\.)example\.|^sha(?:256|512)$|"
    rb"^(?:host|hostname|server|servername|domain|address|ip|url|proxy|proxyhost|your[-_.].*|my[a-z]*\.com|"
    rb"my[-_.]?(?:host|server|proxy|domain).*|(?:foo|bar)(?:\.[a-z]+)?|"
    rb"somewhere.*|some[-_].*|x{2,}.*|h|[a-z]\.(?:com|org|net)|a\.b(?:\.c)?|\.+)$",
    re.IGNORECASE,
)
_LOCAL_HOST: Final = lazy_re(
    rb"localhost|127\.[0-9.]+|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal",
    re.IGNORECASE,
)
_NAME_INSIDE: Final = lazy_re(rb"[A-Za-z][A-Za-z0-9_-]*")
_TEMPLATE: Final = lazy_re(rb"[%$]\{|[{}$<>]|^%[sdvr]$|^:|^\*+$|\\[(x]|%\(")
_OF_NAMES: Final = frozenset((b"github",))
"""Schemes of addresses that have names there, as `github://owner:repository@branch` of fsspec."""
_CAPITALS: Final = lazy_re(rb"[A-Z][A-Z0-9_]*")
_RANDOM_LENGTH: Final = 12
_RANDOM_BITS: Final = 2.8
_SHORT_NUMBER: Final = 6
_SHORTEST_RARE: Final = 8


def find_uri(text: bytes) -> bytes | None:
    """The first URI with a password in a text, up to its host: what `judge_uri` judges."""
    found = _URI_INSIDE.search(text)
    return found[0] if found is not None else None


def judge_uri(match: bytes) -> tuple[Severity, Confidence] | None:
    """Severity and confidence of the password in a whole match; None when it is a reference or a specimen."""
    parts = _URI.search(_plain(match))
    if parts is None:
        return None
    scheme, user, password, host = parts.groups()
    # Of several hosts, the last one's: `mongodb://a:1,user:password@b`.
    first, _, behind = password.rpartition(b",")
    if first and b":" in behind:
        user, _, password = behind.partition(b":")
    if scheme.lower() in _OF_NAMES or _is_specimen(user, password, host):
        return None
    if _SPECIMEN_HOST.search(host) is not None:
        plain = unquote_to_bytes(password)
        made_up = _is_weak(user, password) or filters.lacks_digits(plain) or wording.is_one_word(plain)
        return None if made_up or len(password) < _SHORTEST_RARE else (Severity.LOW, Confidence.LOW)
    local = _LOCAL_HOST.fullmatch(host) is not None
    if _is_weak(user, password):
        return None if local or user.lower() in byte_words("generic_users") else (Severity.LOW, Confidence.LOW)
    random = _looks_random(password)
    if local:
        return (Severity.MEDIUM, Confidence.MEDIUM) if random else (Severity.LOW, Confidence.LOW)
    if random:
        return Severity.HIGH, Confidence.HIGH
    # A word for a host that only a network of containers resolves: one that people choose for development.
    inside = _NAME_INSIDE.fullmatch(host) is not None and filters.lacks_digits(password)
    return Severity.MEDIUM if inside else Severity.HIGH, Confidence.MEDIUM


def _plain(match: bytes) -> bytes:
    """The URI of one that is part of another's query."""
    return unquote_to_bytes(match) if b"%2f%2f" in match.lower() and b"://" not in match else match


def _is_weak(user: bytes, password: bytes) -> bool:
    plain = unquote_to_bytes(password)
    last = plain.rpartition(b" ")[2]  # Of `a%20secret` the word that says what it is.
    if password.lower() == user.lower() or wording.is_weak_password(plain):
        return True
    return filters.is_placeholder(password) or filters.is_placeholder(last)


def _looks_random(password: bytes) -> bool:
    return (
        len(password) >= _RANDOM_LENGTH
        and shannon_bits(password) >= _RANDOM_BITS
        and not filters.lacks_digits(password)
    )


def _is_specimen(user: bytes, password: bytes, host: bytes) -> bool:
    """True for a template or the documentation of a URI rather than one."""
    if _TEMPLATE.search(password) is not None or _TEMPLATE.search(user) is not None or filters.is_reference(password):
        return True
    if filters.is_number(password) and len(password) < _SHORT_NUMBER:
        return True
    if filters.is_constant(password) and _CAPITALS.fullmatch(user) is not None:
        return True  # What to put there, as `s3://ACCESS_KEY:SECRET_KEY@bucket` has it.
    generic = user.lower() in byte_words("generic_users") or filters.is_placeholder(user)
    return generic and (_is_weak(user, password) or wording.is_one_word(password))


def uri_context(match: bytes) -> str:
    """The URI with user and password taken out: scheme and host."""
    parts = _URI.search(_plain(match))
    if parts is None:
        return "•••://•••"
    scheme, _, _, host = parts.groups()
    return f"{scheme.decode('ascii')}://•••:•••@{host.decode('ascii')}"
