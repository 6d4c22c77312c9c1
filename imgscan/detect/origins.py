"""Which layer first brought a file that later ones changed only in mode, owner or time.

In: the image's waste. Out: `Origins`. A chmod, chown or touch writes the whole file into a layer of its own; who wants
to mend something has to know where the file came from, not who touched it last.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from imgscan.model import LayerReport, Waste, WasteCause


class Origins:
    """Traces paths through copies that differ in metadata alone."""

    def __init__(self, waste: Iterable[Waste], layers: Sequence[LayerReport]) -> None:
        self._from_base = frozenset(layer.index for layer in layers if layer.from_base)
        self._before: dict[tuple[str, int], int] = {}
        self._paths: dict[int, list[str]] = {}
        for item in waste:
            if item.cause is WasteCause.METADATA_ONLY and item.shadowed_by is not None:
                self._before[item.path, item.shadowed_by] = item.shipped_by
                self._paths.setdefault(item.shadowed_by, []).append(item.path)
        for paths in self._paths.values():
            paths.sort()

    def of(self, path: str, layer: int) -> int:
        """The layer that brought a file which that layer has; the lowest above the base image."""
        while (before := self._before.get((path, layer))) is not None and before not in self._from_base:
            layer = before
        return layer

    def of_all(self, top: str, layer: int) -> int:
        """The same for a file or all that is in a folder; the layer itself if not all of it is traced to one."""
        paths = self._paths.get(layer, [])
        below = paths[bisect_left(paths, f"{top}/") : bisect_left(paths, f"{top}0")]  # "0" is the character after "/"
        found = {self.of(path, layer) for path in (below or [top])}
        return found.pop() if len(found) == 1 else layer
