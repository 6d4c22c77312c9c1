"""Platforms, `os/architecture[/variant]`: their spellings, and which of several an image is wanted for.

Spellings and the order of variants are containerd's (platforms package), so that the choice is the one an engine makes.
"""

from __future__ import annotations

import platform as machine
from collections.abc import Iterable
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_ALIASES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "ppc64el": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
}
_DEFAULT_VARIANTS: Final = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
"""What an architecture without a variant means."""
_RUNS: Final = {
    "arm": ("v8", "v7", "v6", "v5"),
    "arm64": ("v9", "v8"),
    "amd64": ("v4", "v3", "v2", "v1"),
}
"""Each variant runs what is made for itself and for those behind it."""
_PART: Final = lazy_re(r"[A-Za-z0-9_.-]{1,64}")


@frozen
class Platform:
    """A platform in its normal spelling: the default variant of an architecture is left out, except for arm."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """`os/architecture[/variant]` as a user writes it. Raises InputError."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InputError(
            f"{plain(shorten(text, 100))!r} is no platform",
            next_step="os/architecture[/variant], such as linux/amd64 or linux/arm/v7",
        )
    return normal(*parts)


def read_platform(text: str | None) -> Platform | None:
    """The same of what an image says; None for what says nothing."""
    parts = (text or "").split("/", 2)
    return normal(*parts) if len(parts) >= 2 and all(parts) else None


def normal(os: str, architecture: str, variant: str = "") -> Platform:
    """One spelling for each platform."""
    os = {"macos": "darwin"}.get(os.lower(), os.lower())
    name, implied = _ALIASES.get(architecture.lower(), (architecture.lower(), ""))
    version = variant.lower() or implied
    if version and version[0].isdigit():
        version = f"v{version}"
    if name == "arm":
        version = version or _DEFAULT_VARIANTS["arm"]
    elif version == _DEFAULT_VARIANTS.get(name):
        version = ""
    return Platform(os=os, architecture=name, variant=version)


def own_platform() -> Platform:
    """What an engine on this machine runs: linux, whatever the machine itself runs."""
    return normal("linux", machine.machine())


def fitness(offered: Platform, wanted: Platform) -> int | None:
    """How well an image for `offered` fits: 0 best, None if it does not run on `wanted` at all."""
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return None
    if offered == wanted:
        return 0
    order = _RUNS.get(wanted.architecture, ())
    default = _DEFAULT_VARIANTS.get(wanted.architecture, "")
    have, want = offered.variant or default, wanted.variant or default
    if have not in order or want not in order or order.index(have) < order.index(want):
        return None
    return order.index(have) - order.index(want)


def best(offers: Iterable[Platform | None], wanted: Platform) -> Platform | None:
    """The offer that fits best, None if none does."""
    ranked = [(rank, offer) for offer in offers if offer is not None and (rank := fitness(offer, wanted)) is not None]
    return min(ranked, key=lambda item: item[0])[1] if ranked else None
