"""What was left behind in the user's layers: caches, junk, development dependencies.

In: the paths of the layers and the layers. Out: one finding for each layer and kind, with bytes, count and the sentence
that removes it. One pass over the paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgscan.detect import ListedPath
from imgscan.detect.pathtable import (
    CACHE_RULE,
    DEVELOPMENT_RULE,
    JUNK_RULE,
    Hit,
    Kind,
    PathTable,
    layer_tables,
    thresholds,
)
from imgscan.escape import plain
from imgscan.model import Evidence, Finding, Fix, LayerReport, Location, Place, Severity, Status
from imgscan.rulebook import make_finding
from imgscan.units import human_bytes

_NAMED: Final = 5
_ORDER: Final = {CACHE_RULE: 0, DEVELOPMENT_RULE: 1, JUNK_RULE: 2}


@dataclass(slots=True, kw_only=True)
class _Group:
    """What one row found in one layer."""

    kind: Kind
    bytes: int = 0
    files: int = 0
    tops: dict[str, int] = field(default_factory=dict)
    packages: dict[str, int] = field(default_factory=dict)

    def add(self, hit: Hit, size: int) -> None:
        self.bytes += size
        self.files += 1
        if hit.top in self.tops or len(self.tops) < 1_000:
            self.tops[hit.top] = self.tops.get(hit.top, 0) + size
        if hit.package:
            self.packages[hit.package] = self.packages.get(hit.package, 0) + size


def detect(entries: Iterable[ListedPath], layers: Sequence[LayerReport]) -> Iterator[Finding]:
    """Findings on what is visible in the layers that the Dockerfile added; `entries` may come in any order."""
    own = {layer.index: layer for layer in layers if not layer.from_base}
    table = PathTable(layer_tables())
    groups: dict[tuple[int, str, str], _Group] = {}
    visible = Status.VISIBLE
    for layer, path, size, status in entries:
        if status is not visible or layer not in own:
            continue
        hit = table.hit_of(path if path[:1] == "/" else "/" + path)
        if hit is None:
            continue
        key = (layer, hit.kind.rule_id, hit.kind.name)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(kind=hit.kind)
        group.add(hit, size)
    for (layer, rule_id, _), group in sorted(
        groups.items(), key=lambda item: (item[0][0], _ORDER[item[0][1]], item[0][2])
    ):
        if (group.kind.always or group.bytes >= _threshold(rule_id)) and _is_left_behind(group, own[layer]):
            yield _finding(own[layer], group)


def _is_left_behind(group: _Group, layer: LayerReport) -> bool:
    """Whether the layer says nothing else: a copy from another stage may hold bytecode made for it, and a tree of
    production packages brings some that mostly development needs."""
    if group.kind.copied and not _is_from_context(layer):
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


def _finding(layer: LayerReport, group: _Group) -> Finding:
    tops = sorted(group.tops, key=lambda top: (-group.tops[top], top))
    if group.kind.rule_id == DEVELOPMENT_RULE:
        ranked = sorted(group.packages, key=lambda name: (-group.packages[name], name))
        what = f"development dependencies ({_listed(ranked)})"
    else:
        what = f"{group.kind.name} in {_listed(tops)}"
    files = "file" if group.files == 1 else "files"
    return make_finding(
        group.kind.rule_id,
        message=f"{human_bytes(group.bytes)} in {group.files} {files}: {what}{_from(layer)}",
        location=Location(place=Place.FILE, layer=layer.index, path=tops[0], dockerfile=layer.dockerfile),
        evidence=Evidence.OBSERVED,
        identity=(group.kind.name, tops[0], layer.instruction or ""),
        severity=_severity(group),
        fix=Fix(text=group.kind.fix),
        status=Status.VISIBLE,
    )


def _severity(group: _Group) -> Severity | None:
    """A large cache is the rule's own severity, a small one is low; what the table says of a row counts more."""
    if group.kind.severity is not None:
        return group.kind.severity
    if group.kind.rule_id == JUNK_RULE or group.kind.always:
        return None
    return None if group.bytes >= thresholds()["cache_medium_bytes"] else Severity.LOW


def _from(layer: LayerReport) -> str:
    return f", left by line {layer.dockerfile.line}" if layer.dockerfile else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
