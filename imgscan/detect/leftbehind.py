"""What was left behind in the user's layers: caches, junk, development dependencies.

In: the paths of the layers and the layers. Out: one finding for each layer and kind, with bytes, count and the sentence
that removes it. One pass over the paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from imgscan.detect import ListedPath
from imgscan.detect.origins import Origins
from imgscan.detect.pathtable import (
    CACHE_RULE,
    DEVELOPMENT_RULE,
    JUNK_RULE,
    Kind,
    PathTable,
    layer_tables,
    path_table,
    thresholds,
)
from imgscan.escape import plain
from imgscan.model import Evidence, Finding, Fix, LayerReport, Location, Place, Severity, Status, Waste
from imgscan.rulebook import make_finding
from imgscan.units import human_bytes

_NAMED: Final = 5
_MOST_NAMES: Final = 1_000
_ORDER: Final = {CACHE_RULE: 0, DEVELOPMENT_RULE: 1, JUNK_RULE: 2}


class Group(msgspec.Struct, kw_only=True):
    """What one row found in one layer: how much, in which folders, of which packages."""

    bytes: int = 0
    files: int = 0
    tops: dict[str, int] = msgspec.field(default_factory=dict)
    packages: dict[str, int] = msgspec.field(default_factory=dict)


class Groups(msgspec.Struct):
    """What all rows found in one layer, by `rule id/row name`."""

    by_row: dict[str, Group] = msgspec.field(default_factory=dict)

    def add(self, table: PathTable, path: str, size: int, *, sign: int = 1) -> None:
        """Take a file with an absolute path; a `sign` of -1 takes it out again."""
        hit = table.hit_of(path)
        if hit is None:
            return
        group = self.by_row.get(hit.kind.key)
        if group is None:
            group = self.by_row[hit.kind.key] = Group()
        group.bytes += sign * size
        group.files += sign
        _count(group.tops, hit.top, sign * size)
        if hit.package:
            _count(group.packages, hit.package, sign * size)


def _count(sizes: dict[str, int], name: str, size: int) -> None:
    left = sizes.get(name, 0) + size
    if size < 0 and left <= 0:
        sizes.pop(name, None)
    elif name in sizes or len(sizes) < _MOST_NAMES:
        sizes[name] = left


def group_paths(entries: Iterable[ListedPath]) -> dict[int, Groups]:
    """What the rows find among visible paths, layer by layer; `entries` may come in any order."""
    table = path_table()
    layers: dict[int, Groups] = {}
    for layer, path, size, status in entries:
        if status is Status.VISIBLE:
            layers.setdefault(layer, Groups()).add(table, path if path[:1] == "/" else "/" + path, size)
    return layers


def detect(
    groups: Mapping[int, Groups], layers: Sequence[LayerReport], waste: Sequence[Waste] = ()
) -> Iterator[Finding]:
    """Findings on what is visible in the layers that the Dockerfile added, told of the layers that brought it: by
    `waste`, some only changed its mode."""
    kinds = path_table().kinds
    origins, by_index = Origins(waste, layers), {layer.index: layer for layer in layers}
    for layer in sorted((layer for layer in layers if not layer.from_base), key=lambda layer: layer.index):
        rows = groups[layer.index].by_row if layer.index in groups else {}
        found = [(kinds[row], group) for row, group in rows.items() if row in kinds and group.files > 0]
        for kind, group in sorted(found, key=lambda item: (_ORDER[item[0].rule_id], item[0].name)):
            origin = by_index.get(origins.of_all(_largest(group.tops), layer.index), layer)
            if (kind.always or group.bytes >= _threshold(kind.rule_id)) and _is_left_behind(kind, group, origin):
                yield _finding(layer, origin, kind, group)


def _is_left_behind(kind: Kind, group: Group, layer: LayerReport) -> bool:
    """Whether the layer says nothing else: a copy from another stage may hold bytecode made for it, and a tree of
    production packages brings some that mostly development needs."""
    if kind.copied and not _is_from_context(layer):
        return False
    needed_anyway = frozenset(layer_tables()["development"]["dependencies"])
    return not group.packages or not group.packages.keys() <= needed_anyway


def _is_from_context(layer: LayerReport) -> bool:
    """Whether a COPY or ADD of the Dockerfile takes from the build context; the history alone does not name a stage."""
    keyword, _, rest = (layer.instruction or "").partition(" ")
    return layer.dockerfile is not None and keyword.upper() in ("COPY", "ADD") and "--from" not in rest


def _threshold(rule_id: str) -> int:
    limits = thresholds()
    return limits["junk_bytes"] if rule_id == JUNK_RULE else limits["cache_bytes"]


def _largest(tops: Mapping[str, int]) -> str:
    return min(tops, key=lambda top: (-tops[top], top))


def _finding(layer: LayerReport, origin: LayerReport, kind: Kind, group: Group) -> Finding:
    tops = sorted(group.tops, key=lambda top: (-group.tops[top], top))
    if kind.rule_id == DEVELOPMENT_RULE:
        ranked = sorted(group.packages, key=lambda name: (-group.packages[name], name))
        what = f"development dependencies ({_listed(ranked)})"
    else:
        what = f"{kind.name} in {_listed(tops)}"
    files = "file" if group.files == 1 else "files"
    return make_finding(
        kind.rule_id,
        message=f"{human_bytes(group.bytes)} in {group.files} {files}: {what}{_from(origin)}",
        location=Location(place=Place.FILE, layer=layer.index, path=tops[0], dockerfile=origin.dockerfile),
        evidence=Evidence.OBSERVED,
        identity=(kind.name, tops[0], origin.instruction or ""),
        severity=_severity(kind, group),
        fix=Fix(text=kind.fix),
        status=Status.VISIBLE,
    )


def _severity(kind: Kind, group: Group) -> Severity | None:
    """A large cache is the rule's own severity, a small one is low; what the table says of a row counts more."""
    if kind.severity is not None:
        return kind.severity
    if kind.rule_id == JUNK_RULE or kind.always:
        return None
    return None if group.bytes >= thresholds()["cache_medium_bytes"] else Severity.LOW


def _from(layer: LayerReport) -> str:
    return f", left by line {layer.dockerfile.line}" if layer.dockerfile else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
