"""Kept bytes with a checksum before them: what a disk or somebody else changed is noticed when it is read."""

from __future__ import annotations

import hashlib
from typing import Final

from imgscan.layers.blocks import CacheDamagedError

CHECK_BYTES: Final = 16


def with_check(data: bytes) -> bytes:
    """The bytes with their checksum."""
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest() + data


def checked(stored: object) -> bytes:
    """The bytes without their checksum. Raises CacheDamagedError if they are not what was kept."""
    if not isinstance(stored, bytes):
        raise CacheDamagedError("what is kept is of another kind")
    check, data = stored[:CHECK_BYTES], stored[CHECK_BYTES:]
    if hashlib.blake2b(data, digest_size=CHECK_BYTES).digest() != check:
        raise CacheDamagedError("what is kept is damaged")
    return data
