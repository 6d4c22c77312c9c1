"""What is too large, and what is shipped but cannot be seen (`layer-…`).

In: the image by size, and the largest files of its layers. Out: findings on the layers that the Dockerfile added;
thresholds are those of `rules/layers.yml`. Bytes of waste are grouped by the two layers they lie between, since one
edit mends all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from imgscan.detect import ListedPath
from imgscan.detect.pathtable import CACHE_RULE, PathTable, path_table, thresholds
from imgscan.escape import plain, shorten
from imgscan.model import (
    Evidence,
    Finding,
    Fix,
    ImageReport,
    LayerReport,
    Location,
    Place,
    Severity,
    Status,
    Waste,
    WasteCause,
)
from imgscan.rulebook import make_finding
from imgscan.units import human_bytes

_NAMED: Final = 5
_TEXT_WIDTH: Final = 60
_GONE: Final = frozenset({WasteCause.DELETED, WasteCause.OPAQUE})
_REPLACED: Final = frozenset({WasteCause.OVERWRITTEN, WasteCause.TYPE_CHANGED})

Group = tuple[int, int | None]
"""Shipped by, shadowed by."""


def detect(image: ImageReport, entries: Iterable[ListedPath] = ()) -> Iterator[Finding]:
    """The findings, layer by layer for each rule. `entries`: the paths of the layers, for `layer-oversized-file`."""
    layers = {layer.index: layer for layer in image.layers}
    yield from _oversized_layers(image)
    yield from _oversized_files(layers, entries)
    yield from _deleted_late(layers, image.waste)
    yield from _metadata_copies(layers, image.waste)
    yield from _overwritten(layers, image.waste)
    yield from _duplicates(layers, image.waste)


def _oversized_layers(image: ImageReport) -> Iterator[Finding]:
    limit = thresholds()["oversized_layer_bytes"]
    for layer in image.layers:
        if layer.from_base or layer.size_bytes < limit:
            continue
        share = f", {layer.size_bytes * 100 // image.size_bytes} % of the image" if image.size_bytes else ""
        yield make_finding(
            "layer-oversized-layer",
            message=f"{_made(layer)} adds {human_bytes(layer.size_bytes)} in {layer.entries} entries{share}.",
            location=_location(layer),
            evidence=Evidence.OBSERVED,
            identity=(layer.instruction or "",),
        )


def _oversized_files(layers: Mapping[int, LayerReport], entries: Iterable[ListedPath]) -> Iterator[Finding]:
    limits = thresholds()
    table = path_table()
    large = [entry for entry in entries if entry[2] >= limits["oversized_file_bytes"]]
    large.sort(key=lambda entry: (-entry[2], entry[0], entry[1]))
    mine = [entry for entry in large if entry[0] in layers and not layers[entry[0]].from_base]
    for index, path, size, status in mine[: limits["large_files_named"]]:
        layer = layers[index]
        gone = "" if status is Status.VISIBLE else f"; it is {status.value} later and still downloaded"
        installed = status is Status.VISIBLE and _is_installed(layer, table, _absolute(path))
        yield make_finding(
            "layer-oversized-file",
            message=f"{plain(_absolute(path))} has {human_bytes(size)}, brought by {_made(layer)}{gone}.",
            location=_location(layer, _absolute(path), status),
            evidence=Evidence.OBSERVED,
            identity=(_absolute(path),),
            severity=Severity.INFO if installed else None,
            status=status,
        )


def _grouped(waste: Sequence[Waste], causes: frozenset[WasteCause]) -> list[tuple[Group, list[Waste]]]:
    """The waste of some causes by the layers it lies between, each group's largest first."""
    groups: dict[Group, list[Waste]] = {}
    for item in waste:
        if item.cause in causes:
            groups.setdefault((item.shipped_by, item.shadowed_by), []).append(item)
    for items in groups.values():
        items.sort(key=lambda item: (-item.bytes, item.path))
    return sorted(groups.items(), key=lambda group: (group[0][0], -1 if group[0][1] is None else group[0][1]))


def _deleted_late(layers: Mapping[int, LayerReport], waste: Sequence[Waste]) -> Iterator[Finding]:
    for (shipped_by, shadowed_by), items in _grouped(waste, _GONE):
        layer, remover = layers.get(shipped_by), layers.get(-1 if shadowed_by is None else shadowed_by)
        total = sum(item.bytes for item in items)
        if layer is None or layer.from_base or total < thresholds()["waste_bytes"]:
            continue
        how = f"removed by {_made(remover)}" if remover else "removed later"
        where = f" ({_line(layer)})" if layer.dockerfile else ""
        yield make_finding(
            "layer-deleted-late",
            message=f"{human_bytes(total)} shipped by {_made(layer)}, {how}: still downloaded. {_listed(items)}",
            location=_location(layer, _absolute(items[0].path), Status.DELETED),
            places=_both(layer, remover, items[0].path, Status.DELETED),
            evidence=Evidence.OBSERVED,
            identity=(_absolute(items[0].path), layer.instruction or ""),
            status=Status.DELETED,
            fix=Fix(text=_delete_earlier(layer, where)),
        )


def _delete_earlier(layer: LayerReport, where: str) -> str:
    keyword = (layer.instruction or "").split(" ", 1)[0].upper()
    if keyword in ("COPY", "ADD"):
        return f"Exclude the files in .dockerignore, or copy less{where}; deleting them in a later step saves nothing."
    return f"Delete them in the same RUN that makes them{where}, or make them in an earlier stage and copy the result."


def _metadata_copies(layers: Mapping[int, LayerReport], waste: Sequence[Waste]) -> Iterator[Finding]:
    for (shipped_by, shadowed_by), items in _grouped(waste, frozenset({WasteCause.METADATA_ONLY})):
        layer, changer = layers.get(shipped_by), layers.get(-1 if shadowed_by is None else shadowed_by)
        total = sum(item.bytes for item in items)
        if changer is None or changer.from_base or total < _limit(layer):
            continue
        first = _made(layer) if layer else "an earlier layer"
        yield make_finding(
            "layer-metadata-copy",
            message=(
                f"{human_bytes(total)} are in the image twice: {_made(changer)} changes only mode, owner or time of "
                f"what {first} shipped. {_listed(items)}"
            ),
            location=_location(changer, _absolute(items[0].path), Status.VISIBLE),
            places=_both(changer, layer, items[0].path, Status.OVERWRITTEN),
            evidence=Evidence.OBSERVED,
            identity=(_absolute(items[0].path), changer.instruction or ""),
            fix=Fix(text=_metadata_fix(layer)),
        )


def _metadata_fix(layer: LayerReport | None) -> str:
    keyword = ((layer.instruction if layer else "") or "").split(" ", 1)[0].upper()
    line = f" in line {layer.dockerfile.line}" if layer and layer.dockerfile else ""
    if keyword in ("COPY", "ADD"):
        return f"Use `{keyword} --chmod=…` or `{keyword} --chown=…`{line} and drop the chmod, chown or touch."
    return f"Set mode and owner in the step that makes the files{line}; for copied files with `COPY --chmod/--chown`."


def _overwritten(layers: Mapping[int, LayerReport], waste: Sequence[Waste]) -> Iterator[Finding]:
    for (shipped_by, shadowed_by), items in _grouped(waste, _REPLACED):
        layer, changer = layers.get(shipped_by), layers.get(-1 if shadowed_by is None else shadowed_by)
        total = sum(item.bytes for item in items)
        if changer is None or changer.from_base or total < _limit(layer):
            continue
        yield make_finding(
            "layer-overwritten",
            message=(
                f"{human_bytes(total)} shipped by {_made(layer) if layer else 'an earlier layer'} and replaced by "
                f"{_made(changer)}: both versions are downloaded. {_listed(items)}"
            ),
            location=_location(changer, _absolute(items[0].path), Status.VISIBLE),
            places=_both(changer, layer, items[0].path, Status.OVERWRITTEN),
            evidence=Evidence.OBSERVED,
            identity=(_absolute(items[0].path), changer.instruction or ""),
        )


def _limit(shipper: LayerReport | None) -> int:
    """What makes waste worth a finding: replacing what the base image brought weighs more before one can help it."""
    limits = thresholds()
    return limits["base_waste_bytes" if shipper is None or shipper.from_base else "waste_bytes"]


def _duplicates(layers: Mapping[int, LayerReport], waste: Sequence[Waste]) -> Iterator[Finding]:
    """One finding for what lies in node_modules, one for each layer's other duplicates."""
    groups: dict[tuple[int, bool], list[Waste]] = {}
    table = path_table()
    for item in waste:
        layer = layers.get(item.shipped_by)
        if item.cause is WasteCause.DUPLICATE and layer is not None and not layer.from_base:
            hit = table.hit_of(_absolute(item.path))
            if hit is not None and hit.kind.rule_id == CACHE_RULE:
                continue  # the cache itself is a finding
            modules = "/node_modules/" in _absolute(item.path)
            if _is_installed(layer, table, _absolute(item.path)):
                continue  # a package's own copies: nobody but the package can mend that
            groups.setdefault((item.shipped_by, modules), []).append(item)
    for (index, modules), items in sorted(groups.items()):
        total = sum(item.bytes for item in items)
        if total < thresholds()["waste_bytes"]:
            continue
        items.sort(key=lambda item: (-item.bytes, item.path))
        layer = layers[index]
        what = "in node_modules" if modules else ""
        yield make_finding(
            "layer-duplicate-files",
            message=f"{human_bytes(total)} of {_made(layer)} are copies of other files {what}".rstrip()
            + f" of the image. {_listed(items)}",
            location=_location(layer, _absolute(items[0].path), Status.VISIBLE),
            evidence=Evidence.OBSERVED,
            identity=("node_modules" if modules else _absolute(items[0].path), layer.instruction or ""),
            severity=Severity.INFO if modules else None,
        )


def _is_installed(layer: LayerReport, table: PathTable, path: str) -> bool:
    """Whether an installed package brought it: a RUN, or the lowest layer, put it in a folder of the system."""
    keyword = (layer.instruction or "").split(" ", 1)[0].upper()
    copied = keyword in ("COPY", "ADD") and layer.index > 0
    return not copied and table.is_system(path)


def _made(layer: LayerReport) -> str:
    """The layer by its Dockerfile line, or by its instruction."""
    if layer.dockerfile:
        return f"line {layer.dockerfile.line}"
    if layer.from_base:
        return "the base image"
    keyword = (layer.instruction or "").split(" ", 1)[0]
    return f"layer {layer.index}" + (f" ({plain(shorten(keyword, _TEXT_WIDTH))})" if keyword else "")


def _line(layer: LayerReport) -> str:
    return f"line {layer.dockerfile.line}" if layer.dockerfile else ""


def _location(layer: LayerReport, path: str | None = None, status: Status | None = None) -> Location:
    return Location(place=Place.FILE, layer=layer.index, path=path, dockerfile=layer.dockerfile, status=status)


def _both(layer: LayerReport, other: LayerReport | None, path: str, status: Status) -> tuple[Location, ...]:
    """The two layers a finding is about, the one to mend first."""
    first = _location(layer, _absolute(path), status)
    return (first, _location(other, _absolute(path))) if other else (first,)


def _listed(items: Sequence[Waste]) -> str:
    shown = ", ".join(f"{plain(_absolute(item.path))} ({human_bytes(item.bytes)})" for item in items[:_NAMED])
    return f"{shown} and {len(items) - _NAMED} more." if len(items) > _NAMED else f"{shown}."


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
