"""What no other rule knows: a rare text assigned, or handed over, under a name that hints at a secret.

Such a hit alone is a hint and no more: low severity, low confidence. It is gated by the words of the name, by what the
value is not (a reference, a path, a digest, a word), and by how unlike language it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from imgscan.detect.secrets import filters
from imgscan.detect.secrets.assignments import is_sensitive_name
from imgscan.detect.secrets.namewords import is_random, name_words
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.wordlists import byte_words, words
from imgscan.lazyre import lazy_re

GENERIC: Final = "secret-generic"
_UUID: Final = lazy_re(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DOTTED: Final = lazy_re(rb"[A-Za-z_-]+[0-9]{0,3}(?:[.:/][A-Za-z_-]+[0-9]{0,3})+")
_FUNCTION: Final = lazy_re(
    rb"(?:get|set|load|read|fetch|make|create|check|require|ensure|has|use)(?:_[a-z]+)+(?:_[0-9]+)?"
)
_MEMBER: Final = lazy_re(rb"[a-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\.[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""A constant of a module: `winreg.KEY_WOW64_32KEY`."""
_VERSIONED: Final = lazy_re(rb"[A-Za-z_@/-]*[0-9]+(?:\.[0-9]+)+[A-Za-z0-9._-]*")
_OF_FAMILY: Final = lazy_re(rb"([a-z]+)[0-9.]{0,4}(?:[-:][a-z0-9.]{1,12})+")
_KEBAB: Final = lazy_re(rb"[a-z]{2,}(?:-(?:[a-z]{2,}|[0-9]{1,3}))+")
"""Words with numbers, as models and releases are called."""
_DATED: Final = lazy_re(rb"[a-z]+(?:[-_][a-z0-9]+){0,6}[-_]20[0-9]{2}[-_]?[01][0-9][-_]?[0-3][0-9]")
"""What is called by words and the day on which it came out."""
_SHORTEST: Final = 12
_RARE: Final = 2.2
_RARE_OF_SERVICE: Final = 2.8
_NAMED_DIGEST: Final = lazy_re(rb"(?:sha[0-9]{1,3}|md5)[-:=]", re.IGNORECASE)
_SIGNATURE: Final = lazy_re(rb"0x(?:[0-9a-f]{40}|[0-9a-f]{130})", re.IGNORECASE)
"""An account of Ethereum, or what its key signs with (two numbers and a byte): for everybody to see."""
_LEAST_BITS: Final = 3.2
_DIGEST_LENGTHS: Final = frozenset({32, 40, 56, 64, 96, 128})


def is_generic_secret(name: str, value: bytes) -> bool:
    """Whether a value under a name is worth a hint."""
    if is_dull(value) or not _hints(name):
        return False
    if not _is_identifier(value):
        return True
    # Digests and identifiers look the same; only a name that promises a secret tells them apart.
    return is_sensitive_name(name) and (len(value) in _DIGEST_LENGTHS or b"-" in value)


@lru_cache(maxsize=1 << 11)
def is_dull(value: bytes) -> bool:
    """Whether a value is worth no hint under whatever name: of a known shape, or like language."""
    if len(value) < _SHORTEST or _is_known_shape(value):
        return True
    return not _is_identifier(value) and (shannon_bits(value) < _LEAST_BITS or letters_per_piece(value) >= _RARE)


def _is_identifier(value: bytes) -> bool:
    return filters.is_hex(value) or _UUID.fullmatch(value) is not None


def is_service_secret(name: str, value: bytes) -> bool:
    """Whether a value under a name that says service and secret is one: no address, no name, no word."""
    if _is_harmless(name) or _is_known_shape(value) or filters.is_constant(value) or _is_model(value):
        return False
    if _UUID.fullmatch(value) is not None and "aws" in _words_of(name):
        return False  # Nothing of theirs that opens anything is one.
    return letters_per_piece(value) < (_RARE if _KEBAB.fullmatch(value) is not None else _RARE_OF_SERVICE)


def _is_model(value: bytes) -> bool:
    """True for the name of a language model: `gpt-4o-mini`."""
    found = _OF_FAMILY.fullmatch(value)
    return found is not None and found[1] in byte_words("model_families")


def _words_of(name: str) -> list[str]:
    return [word for word in name_words(name) if word.isalpha()]


def _is_harmless(name: str) -> bool:
    parts = _words_of(name)
    if not parts or parts[-1] in words("harmless_ends") or not words("harmless_words").isdisjoint(parts):
        return True
    return parts[-1] in ("key", "keys") and parts[-2:-1] != [] and parts[-2] in words("harmless_keys")


def _hints(name: str) -> bool:
    if _is_harmless(name):
        return False
    parts = _words_of(name)
    return is_sensitive_name(name) or (not words("hinting_words").isdisjoint(parts) and not is_random(name))


def _is_known_shape(value: bytes) -> bool:
    return (
        filters.lacks_digits(value)
        or not any(chr(c).isalpha() for c in value)
        or filters.is_placeholder(value)
        or filters.is_path(value)
        or filters.is_number(value)
        or filters.is_algorithm(value)
        or filters.is_sealed(value)
        or filters.is_embedded(value)
        or filters.is_email(value)
        or _DOTTED.fullmatch(value) is not None
        or _FUNCTION.fullmatch(value) is not None
        or _MEMBER.fullmatch(value) is not None
        or _VERSIONED.fullmatch(value) is not None
        or _NAMED_DIGEST.match(value) is not None
        or _DATED.fullmatch(value) is not None
        or _SIGNATURE.fullmatch(value) is not None
        or b"://" in value
    )
