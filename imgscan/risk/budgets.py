"""Budgets: limits of size, waste and rebuild time.

In: `KEY=VALUE` pairs and what was measured. Out: `Budget` records.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from imgscan.errors import InputError
from imgscan.model import Budget, ImageReport, Timing
from imgscan.units import human_bytes, human_seconds

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]i?)?[bB]?")
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A budget as asked for: bytes, seconds or a ratio, by its key."""

    key: str
    value: float


def parse_budgets(pairs: Iterable[tuple[str, str]]) -> tuple[Limit, ...]:
    """The limits of `--budget`; the last of a key counts. Raises InputError for an unknown key or a wrong value."""
    limits: dict[str, Limit] = {}
    for key, text in pairs:
        if key not in _KINDS:
            near = difflib.get_close_matches(key, list(_KINDS), n=1)
            hint = f"did you mean {near[0]}?" if near else f"budgets: {', '.join(_KINDS)}"
            raise InputError(f"unknown budget {key!r}", next_step=hint)
        limits[key] = Limit(key=key, value=_KINDS[key].read(key, text.strip()))
    return tuple(limits.values())


def check_budgets(limits: Iterable[Limit], image: ImageReport | None, timings: Sequence[Timing]) -> tuple[Budget, ...]:
    """Every limit against what was measured; what could not be measured is not broken, and says so (actual None)."""
    return tuple(_check(limit, _KINDS[limit.key], image, timings) for limit in limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    read: Callable[[str, str], float]
    show: Callable[[float], str]
    measure: Callable[[ImageReport | None, Sequence[Timing]], float | None]
    at_least: bool = False


def _check(limit: Limit, kind: _Kind, image: ImageReport | None, timings: Sequence[Timing]) -> Budget:
    actual = kind.measure(image, timings)
    broken = actual is not None and (actual < limit.value if kind.at_least else actual > limit.value)
    return Budget(
        key=limit.key,
        limit=kind.show(limit.value),
        actual=None if actual is None else kind.show(actual),
        broken=broken,
    )


def _read_size(key: str, text: str) -> float:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(f"budget {key}: {text!r} is not a size", next_step="write 250MB, 1.5GB, 64MiB or bytes")
    unit = (match[2] or "").lower()
    factor: int = (1024 if unit.endswith("i") else 1000) ** _POWERS.get(unit[:1], 0)
    return float(match[1]) * factor


def _read_time(key: str, text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise InputError(f"budget {key}: {text!r} is not a time", next_step="write 20s, 1.5m or 800ms")
    return float(match[1]) * _SECONDS[match[2]]


def _read_ratio(key: str, text: str) -> float:
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"budget {key}: {text!r} is not a ratio", next_step="write 0.95 or 95%")
    return value


def _median_of(name: str) -> Callable[[ImageReport | None, Sequence[Timing]], float | None]:
    return lambda image, timings: next((timing.median_s for timing in timings if timing.name == name), None)


_KINDS: Final[dict[str, _Kind]] = {
    "image-size": _Kind(
        read=_read_size,
        show=lambda v: human_bytes(round(v)),
        measure=lambda image, _: image.size_bytes if image else None,
    ),
    "reclaimable": _Kind(
        read=_read_size,
        show=lambda v: human_bytes(round(v)),
        measure=lambda image, _: image.reclaimable_bytes if image else None,
    ),
    "efficiency": _Kind(
        read=_read_ratio,
        show=lambda v: f"{v:.4g}",
        measure=lambda image, _: image.efficiency if image else None,
        at_least=True,
    ),
    "rebuild-source": _Kind(read=_read_time, show=human_seconds, measure=_median_of("touch-source")),
    "rebuild-lockfile": _Kind(read=_read_time, show=human_seconds, measure=_median_of("touch-lockfile")),
}
