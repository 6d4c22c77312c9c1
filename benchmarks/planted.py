"""The secrets of the benchmark's image: made from a seed at run time, each in another kind of file.

Nothing here is a real credential and none is written down: tokens of GitHub's published form (30 letters and a checksum
of them) that every scanner knows, one to each file.
"""

from __future__ import annotations

import random
import string
import zlib
from dataclasses import dataclass, field
from typing import Final

BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
LETTERS: Final = 30
CHECK_LETTERS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A token and the file of the image that holds it; `name` says what is special about it."""

    name: str
    path: str
    token: str = field(repr=False)


PLACES: Final[dict[str, str]] = {
    "visible": "app/config/production.json",
    "deleted": "app/.env.build",
    "binary": "app/vendor/addon.node",
    "large": "app/public/bundle.js",
}
"""What is special about each planted file -> its path. `deleted` is removed by a later layer, `binary` holds NUL bytes
and no text, `large` is one line of many megabytes."""


def planted(seed: str = "imgscan-bench") -> tuple[Planted, ...]:
    """One token for each of PLACES; the same ones for the same seed."""
    return tuple(Planted(name=name, path=path, token=token_for(f"{seed}/{name}")) for name, path in PLACES.items())


def token_for(seed: str) -> str:
    """A token of its own for each seed."""
    rng = random.Random(seed)  # noqa: S311  # made-up secrets, and the same ones every time
    letters = "".join(rng.choices(BASE62, k=LETTERS))
    return "ghp_" + letters + _checksum(letters)


def _checksum(letters: str) -> str:
    """GitHub's checksum: CRC-32 of the letters in base 62, padded to six."""
    rest, digits = zlib.crc32(letters.encode()), ""
    while rest:
        rest, digit = divmod(rest, len(BASE62))
        digits = BASE62[digit] + digits
    return digits.rjust(CHECK_LETTERS, "0")
