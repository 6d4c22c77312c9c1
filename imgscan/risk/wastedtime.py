"""When time lost with every edit is a nuisance and when it is a reason to mend the build. Pure."""

from __future__ import annotations

from typing import Final

SMALL_WASTE_S: Final = 10.0
"""A source edit that wastes less than this is a nuisance, not a reason to stop using the build ..."""
SMALL_REBUILD_S: Final = 60.0
"""... unless the rebuild takes as long as this."""


def is_nuisance(wasted_s: float, rebuild_s: float) -> bool:
    """Whether so many wasted seconds of a rebuild of so many matter little."""
    return wasted_s < SMALL_WASTE_S and rebuild_s < SMALL_REBUILD_S
