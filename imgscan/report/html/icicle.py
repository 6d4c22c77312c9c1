"""The page's drawing of an image's bytes: layers side by side, below each its directories, inside out. In: an
`ImageReport`. Out: boxes in drawing units. Pure.

Every layer is drawn in two parts, what of it is visible and what is wasted, so that all of one colour on a
line is what there is of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.directories import around
from imgscan.escape import plain
from imgscan.frozen import frozen
from imgscan.model import DirectoryReport, ImageReport, LayerReport
from imgscan.report.html.charts import CHARACTER, WIDTH, Box, Drawing, seen
from imgscan.units import human_bytes, percent

ROW: Final = 28
_GAP: Final = 2
_MOST_ROWS: Final = 7
_LEAST: Final = 2.0
"""A directory narrower than this is left blank."""
_MOSTLY_BASE: Final = 0.5
_HINT: Final = 26
_LEAST_LABEL: Final = 5


@frozen(kw_only=False)
class _Part:
    """The visible or the wasted bytes of a layer: which style they have, what is said of them, where they begin."""

    layer: LayerReport
    wasted: bool
    style: str
    scale: float
    total: int

    def size(self, directory: DirectoryReport) -> int:
        """The bytes of a directory that belong here."""
        for share in directory.layers:
            if share.layer == self.layer.index:
                return share.reclaimable_bytes if self.wasted else share.size_bytes - share.reclaimable_bytes
        return 0


def icicles(image: ImageReport) -> list[Drawing]:
    """The image's bytes by layer and directory; where most of them are the base image's, the other layers once more."""
    if not image.size_bytes:
        return []
    drawings = [_drawing(image, image.layers, "image")]
    own = [layer for layer in image.layers if not layer.from_base and layer.size_bytes]
    if own and sum(layer.size_bytes for layer in own) < image.size_bytes * _MOSTLY_BASE:
        drawings.append(_drawing(image, own, "layers on top of the base image"))
    return drawings


def _drawing(image: ImageReport, layers: Sequence[LayerReport], name: str) -> Drawing:
    total = sum(layer.size_bytes for layer in layers)
    vain = sum(layer.reclaimable_bytes for layer in layers)
    scale = WIDTH / max(total, 1)
    whole = f"{name}: {human_bytes(total)}" + (f", {human_bytes(vain)} of it wasted" if vain else "")
    boxes = [_box(0.0, WIDTH, 0, whole, whole, "all", 0)]
    below = _children(image.directories)
    x = 0.0
    for layer in layers:
        end = x + layer.size_bytes * scale
        lost = min(layer.reclaimable_bytes, layer.size_bytes)
        middle = end - lost * scale
        for wasted, start, stop in ((False, x, middle), (True, middle, end)):
            if stop > start:
                style = "waste" if wasted else "base" if layer.from_base else "own"
                part = _Part(layer, wasted, style, scale, total)
                boxes += _part_boxes(part, below, start, stop)
        x = end
    rows = 1 + max(round(box.y / ROW) for box in boxes)
    return Drawing(
        title=f"Bytes of the {name}, by layer and directory",
        height=ROW * rows + _HINT,
        boxes=tuple(boxes),
    )


def _children(directories: Sequence[DirectoryReport]) -> dict[str, list[DirectoryReport]]:
    """What is right below each directory that is reported."""
    outer = around(directory.path for directory in directories)
    below: dict[str, list[DirectoryReport]] = {}
    for directory in directories:
        if directory.path in outer:
            below.setdefault(outer[directory.path], []).append(directory)
    return below


def _part_boxes(part: _Part, below: dict[str, list[DirectoryReport]], x: float, end: float) -> Iterator[Box]:
    layer = part.layer
    instruction = layer.instruction or ("the base image" if layer.from_base else "unknown instruction")
    size = layer.reclaimable_bytes if part.wasted else layer.size_bytes - layer.reclaimable_bytes
    what = "wasted: hidden by later layers" if part.wasted else "visible"
    title = f"layer {layer.index}, {instruction}: {_figures(part, size)}, {what}"
    yield _box(x, end - x, 1, f"{layer.index} {instruction}", title, part.style, 0)
    yield from _directory_boxes(part, below, "/", (x, end), 2)


def _directory_boxes(
    part: _Part, below: dict[str, list[DirectoryReport]], path: str, room: tuple[float, float], row: int
) -> Iterator[Box]:
    """What is below a directory, the largest first; one that has all of its bytes in another one is drawn as that."""
    if row > _MOST_ROWS:
        return
    x, end = room
    found = [(size, one) for one in below.get(path, ()) if (size := part.size(one)) > 0]
    for size, one in sorted(found, key=lambda pair: (-pair[0], pair[1].path)):
        stop = min(x + size * part.scale, end)
        if stop - x < _LEAST:
            return
        inner = one
        while (only := [other for other in below.get(inner.path, ()) if part.size(other) == size]) and size:
            inner = only[0]
        name = inner.path[len(path) :].lstrip("/") or inner.path
        what = f"wasted, of layer {part.layer.index}" if part.wasted else f"of layer {part.layer.index}"
        yield _box(x, stop - x, row, name, f"{inner.path}: {_figures(part, size)}, {what}", part.style, row - 1)
        yield from _directory_boxes(part, below, inner.path, (x, stop), row + 1)
        x = stop


def _figures(part: _Part, size: int) -> str:
    return f"{human_bytes(size)} ({percent(size / max(part.total, 1))})"


def _box(x: float, width: float, row: int, text: str, title: str, style: str, depth: int) -> Box:
    shade = f"{style} depth-{min(depth, _MOST_ROWS - 1)}" if depth else style
    text = _label(plain(text), width)
    return Box(x=x, y=ROW * row, width=seen(width), height=ROW - _GAP, text=text, title=title, style=shade)


def _label(text: str, width: float) -> str:
    """A text, or of a path its last name, or the beginning; nothing where that would say nothing."""
    room = int((width - 8) / CHARACTER)
    last = f"…/{text.rpartition('/')[2]}" if "/" in text and " " not in text else text
    shorter = (text, last, last.removeprefix("…/"))
    fitting = next((one for one in shorter if len(one) <= room), None)
    if fitting is not None:
        return fitting
    return f"{text[: room - 1]}…" if room >= _LEAST_LABEL else ""
