"""Kept bytes with a checksum before them: what a disk or somebody else changed is noticed when it is read."""

from __future__ import annotations

import hashlib
from typing import Final

from imgscan.layers.blocks import CacheDamagedError

CHECK_BYTES: Final = 16


def with_check(data: bytes, name: str = "") -> bytes:
    """The bytes with their checksum, which holds for what is kept under this name alone."""
    return _check(data, name) + data


def checked(stored: object, name: str = "") -> bytes:
    """The bytes without their checksum. Raises CacheDamagedError if they are not what was kept under the name."""
    if not isinstance(stored, bytes):
        raise CacheDamagedError("what is kept is of another kind")
    check, data = stored[:CHECK_BYTES], stored[CHECK_BYTES:]
    if _check(data, name) != check:
        raise CacheDamagedError("what is kept is damaged")
    return data


def _check(data: bytes, name: str) -> bytes:
    check = hashlib.blake2b(name.encode(), digest_size=CHECK_BYTES)
    check.update(data)
    return check.digest()
