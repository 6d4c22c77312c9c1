"""What is too large, and what is shipped but cannot be seen (`layer-…`).

In: the image by size, and the largest files of its layers. Out: findings on the layers that the Dockerfile added;
thresholds are those of `rules/layers.yml`. Bytes of waste are grouped by the two layers they lie between, since one
edit mends all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgscan.detect import ListedPath
from imgscan.detect.latedeletes import deletion_advice, is_move, moving_advice
from imgscan.detect.origins import Origins
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
    origins = Origins(image.waste, image.layers)
    yield from _deleted_late(layers, image.waste, origins)
    yield from _metadata_copies(layers, image.waste, origins)
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


def _deleted_late(layers: Mapping[int, LayerReport], waste: Sequence[Waste], origins: Origins) -> Iterator[Finding]:
    for (shipped_by, shadowed_by), items in _grouped(_traced(waste, origins), _GONE):
        layer, remover = layers.get(shipped_by), layers.get(-1 if shadowed_by is None else shadowed_by)
        total = sum(item.bytes for item in items)
        if layer is None or layer.from_base or total < thresholds()["waste_bytes"]:
            continue
        paths = [_absolute(item.path) for item in items]
        moved = remover is not None and is_move(remover, paths)
        how = f"{'moved' if moved else 'removed'} by {_made(remover)}" if remover else "removed later"
        between = [layers[at] for at in range(shipped_by + 1, (shadowed_by or shipped_by) + 1) if at in layers]
        yield make_finding(
            "layer-deleted-late",
            message=f"{human_bytes(total)} shipped by {_made(layer)}, {how}: still downloaded. {_listed(items)}",
            location=_location(layer, paths[0], Status.DELETED),
            places=_both(layer, remover, items[0].path, Status.DELETED),
            evidence=Evidence.OBSERVED,
            identity=(paths[0], layer.instruction or ""),
            status=Status.DELETED,
            fix=Fix(text=moving_advice(layer) if moved else deletion_advice(layer, between, paths)),
        )


def _traced(waste: Sequence[Waste], origins: Origins) -> list[Waste]:
    """What is gone, as shipped by the layer that brought it and not by one that only changed its mode."""
    gone = (item for item in waste if item.cause in _GONE)
    return [replace(item, shipped_by=origins.of_all(item.path, item.shipped_by)) for item in gone]


def _metadata_copies(layers: Mapping[int, LayerReport], waste: Sequence[Waste], origins: Origins) -> Iterator[Finding]:
    """One finding for what one layer brought, whatever layers changed it after that."""
    groups: dict[int, list[Waste]] = {}
    for (_, shadowed_by), items in _grouped(waste, frozenset({WasteCause.METADATA_ONLY})):
        changer = layers.get(-1 if shadowed_by is None else shadowed_by)
        for item in items if changer is not None and not changer.from_base else ():
            groups.setdefault(origins.of(item.path, item.shipped_by), []).append(item)
    for origin, items in sorted(groups.items()):
        layer, total = layers.get(origin), sum(item.bytes for item in items)
        if total < _limit(layer):
            continue
        changers = [layers[at] for at in sorted({item.shadowed_by for item in items if item.shadowed_by is not None})]
        first, path = changers[0], _absolute(items[0].path)
        many = len(changers) > 1
        made = ", ".join(map(_made, changers[:_NAMED])) + (
            f" and {len(changers) - _NAMED} more" * (len(changers) > _NAMED)
        )
        yield make_finding(
            "layer-metadata-copy",
            message=(
                f"{human_bytes(total)} are in the image {'again and again' if many else 'twice'}: {made} "
                f"{'change' if many else 'changes'} only mode, owner or time of what "
                f"{_made(layer) if layer else 'an earlier layer'} shipped. {_listed(_once(items))}"
            ),
            location=_location(first, path, Status.VISIBLE),
            places=(
                *(
                    _location(changer, path, Status.OVERWRITTEN if at == 0 else None)
                    for at, changer in enumerate(changers)
                ),
                *((_location(layer, path),) if layer else ()),
            ),
            evidence=Evidence.OBSERVED,
            identity=(path, first.instruction or ""),
            fix=Fix(text=_metadata_fix(layer)),
        )


def _once(items: Sequence[Waste]) -> list[Waste]:
    """Each path with all of its bytes."""
    sizes: dict[str, Waste] = {}
    for item in items:
        known = sizes.get(item.path)
        sizes[item.path] = replace(item, bytes=item.bytes + (known.bytes if known else 0))
    return sorted(sizes.values(), key=lambda item: (-item.bytes, item.path))


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
            fix=None if modules else Fix(text=f"Copy once and link to it (`ln`) instead of a second copy{_at(layer)}."),
        )


def _at(layer: LayerReport) -> str:
    return f" in line {layer.dockerfile.line}" if layer.dockerfile else ""


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
