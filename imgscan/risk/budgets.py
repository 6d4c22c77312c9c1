"""Budgets: limits of size, waste and rebuild time.

In: `KEY=VALUE` pairs and what was measured. Out: `Budget` records. A value that equals its limit keeps the budget.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from imgscan.alike import alike
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Budget, ImageReport, Timing
from imgscan.units import human_bytes, human_seconds

_SIZE: Final = lazy_re(r"(\d+(?:\.\d*)?|\.\d+)\s*(?:([kmgtpe])(i?))?b?", re.IGNORECASE | re.ASCII)
_TIME: Final = lazy_re(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?", re.ASCII)
_POWERS: Final = " kmgtpe"
_SECONDS: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@frozen
class Limit:
    """A budget as asked for: bytes, seconds or a ratio, by its key. `source`: who asked, if not `--budget`."""

    key: str
    value: float
    source: str | None = None


def budget_keys() -> tuple[str, ...]:
    """Every key that a budget can have, in the order in which they are documented."""
    return tuple(_KINDS)


def parse_budgets(pairs: Iterable[tuple[str, str]], found: Iterable[Limit] = ()) -> tuple[Limit, ...]:
    """The limits of `--budget` on top of those `found` elsewhere; the last of a key counts.

    Raises InputError for an unknown key or a wrong value.
    """
    limits = {limit.key: limit for limit in found}
    for key, text in pairs:
        if key not in _KINDS:
            near = alike(key, list(_KINDS))
            hint = f"did you mean {near[0]}?" if near else f"budgets: {', '.join(_KINDS)}"
            raise InputError(f"unknown budget {key!r}", next_step=hint)
        limits[key] = Limit(key=key, value=_KINDS[key].read(key, text.strip()))
    return tuple(limits.values())


def check_budgets(limits: Iterable[Limit], image: ImageReport | None, timings: Sequence[Timing]) -> tuple[Budget, ...]:
    """Every limit against what was measured; what could not be measured is not broken, and says so (actual None)."""
    return tuple(_check(limit, _KINDS[limit.key], image, timings) for limit in limits)


def size_bytes(text: str) -> float | None:
    """A size as people write it, decimal or binary unit in any case, in bytes; None if it is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    factor: int = (1024 if match[3] else 1000) ** _POWERS.index((match[2] or " ").lower())
    return float(match[1]) * factor


def ratio(text: str) -> float | None:
    """A number of 0..1; None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


@frozen
class _Kind:
    """`show` is for people, `exact` for when two values would look the same."""

    read: Callable[[str, str], float]
    show: Callable[[float], str]
    exact: Callable[[float], str]
    measure: Callable[[ImageReport | None, Sequence[Timing]], float | None]
    at_least: bool = False


def _check(limit: Limit, kind: _Kind, image: ImageReport | None, timings: Sequence[Timing]) -> Budget:
    actual = kind.measure(image, timings)
    broken = actual is not None and (actual < limit.value if kind.at_least else actual > limit.value)
    show = kind.show
    if broken and actual is not None and show(actual) == show(limit.value):
        show = kind.exact
    return Budget(
        key=limit.key,
        limit=show(limit.value),
        actual=None if actual is None else show(actual),
        broken=broken,
        at_least=kind.at_least,
        source=limit.source,
    )


def _read_size(key: str, text: str) -> float:
    value = size_bytes(text)
    if value is None:
        raise InputError(f"budget {key}: {text!r} is not a size", next_step="write 250MB, 1.5GB, 64MiB or bytes")
    return value


def _read_time(key: str, text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise InputError(f"budget {key}: {text!r} is not a time", next_step="write 20s, 1.5m or 800ms")
    return float(match[1]) * _SECONDS[match[2]]


def _read_ratio(key: str, text: str) -> float:
    value = _percentage(text[:-1]) if text.endswith("%") else ratio(text)
    if value is None:
        raise InputError(f"budget {key}: {text!r} is not a ratio", next_step="write 0.95 or 95%")
    return value


def _percentage(text: str) -> float | None:
    try:
        value = float(text) / 100
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _show_size(value: float) -> str:
    return human_bytes(round(value))


def _exact_size(value: float) -> str:
    return f"{value:.0f} B"


def _show_ratio(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:.4g}"


def _exact_seconds(value: float) -> str:
    return f"{value!r} s"


def _median_of(name: str) -> Callable[[ImageReport | None, Sequence[Timing]], float | None]:
    return lambda image, timings: next((timing.median_s for timing in timings if timing.name == name), None)


def _size_kind(measure: Callable[[ImageReport], float]) -> _Kind:
    return _Kind(
        read=_read_size,
        show=_show_size,
        exact=_exact_size,
        measure=lambda image, _: measure(image) if image else None,
    )


def _ratio_kind(measure: Callable[[ImageReport], float], *, at_least: bool = False) -> _Kind:
    return _Kind(
        read=_read_ratio,
        show=_show_ratio,
        exact=repr,
        measure=lambda image, _: measure(image) if image else None,
        at_least=at_least,
    )


def _time_kind(scenario: str) -> _Kind:
    return _Kind(read=_read_time, show=human_seconds, exact=_exact_seconds, measure=_median_of(scenario))


def _dive_user_wasted(image: ImageReport) -> float:
    """dive divides by the bytes of all layers but the first. Without any that is infinite if something was wasted, and
    its rule is broken, or not a number if nothing was, and it is kept; the report has 0 for both."""
    dive = image.dive
    return math.inf if dive.wasted_bytes and not dive.user_wasted_percent else dive.user_wasted_percent


_KINDS: Final[dict[str, _Kind]] = {
    "image-size": _size_kind(lambda image: image.size_bytes),
    "reclaimable": _size_kind(lambda image: image.reclaimable_bytes),
    "efficiency": _ratio_kind(lambda image: image.efficiency, at_least=True),
    "rebuild-source": _time_kind("touch-source"),
    "rebuild-lockfile": _time_kind("touch-lockfile"),
    "dive-efficiency": _ratio_kind(lambda image: image.dive.efficiency, at_least=True),
    "dive-wasted-bytes": _size_kind(lambda image: image.dive.wasted_bytes),
    "dive-user-wasted-percent": _ratio_kind(_dive_user_wasted),
}
