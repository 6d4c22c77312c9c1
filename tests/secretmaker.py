"""Secrets for tests, put together at run time so that none stands in a file."""

from __future__ import annotations

import hashlib
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def github_token(body: str) -> str:
    """A token of GitHub's shape with the right checksum (base 62 of CRC-32), of no account; `body` has 30 letters."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return "gh" + "p_" + body + digits


def token_of(seed: str) -> str:
    """A GitHub token that differs for every seed and is the same in every run."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
    body = ""
    for _ in range(30):
        number, digit = divmod(number, 62)
        body += _BASE62[digit]
    return github_token(body)
