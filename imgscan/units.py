"""Bytes and seconds as people write them."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB")


def human_bytes(count: int) -> str:
    """Decimal units with three digits, as the engine's own listings: 999 B, 1.50 kB, 23.4 MB."""
    if abs(count) < 1000:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        value /= 1000
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            break
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def human_seconds(seconds: float) -> str:
    """0.42 s, 8.1 s, 2 min 05 s."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def percent(ratio: float) -> str:
    """A ratio of 0..1 as a percentage; 100 % only when it is all of it."""
    value = ratio * 100
    if value != 100 and value > 99.9:
        return "99.9 %"
    return f"{value:.0f} %" if value in (0, 100) or value >= 99.95 else f"{value:.1f} %"
