"""`source:target:options` of a mount, taken apart as compose does it. Pure."""

from __future__ import annotations

import posixpath
from typing import Final

from imgscan.frozen import frozen
from imgscan.project.compose.nodes import MapNode, Node, Scalar, child, scalar

_MODES: Final = {"ro": True, "rw": False}


@frozen
class VolumeSpec:
    """The short form of a mount. `source` None: the volume is anonymous."""

    kind: str
    source: str | None
    target: str
    read_only: bool


def parse_volume(spec: str) -> VolumeSpec | str:
    """The parts of the short form, or what is wrong with it."""
    if not spec:
        return "invalid empty volume spec"
    if len(spec) <= 2:
        return VolumeSpec(kind="volume", source=None, target=spec, read_only=False)
    fields = _fields(spec)
    if not all(fields):
        return "invalid spec: empty section between colons"
    if len(fields) > 3:
        return "invalid spec: too many colons"
    if len(fields) == 1:
        return VolumeSpec(kind="volume", source=None, target=fields[0], read_only=False)
    read_only = False
    for option in fields[2].split(",") if len(fields) == 3 else ():
        read_only = _MODES.get(option, read_only)
    kind = "bind" if is_path(fields[0]) else "volume"
    return VolumeSpec(kind=kind, source=fields[0], target=fields[1], read_only=read_only)


def is_path(source: str) -> bool:
    """Whether a source is a path of the host rather than a volume's name."""
    return source[:1] in (".", "/", "~") or source.startswith("\\\\") or (source[:1].isalpha() and source[1:2] == ":")


def clean_target(target: str) -> str:
    """A path of the container without `.`, `..` and double slashes."""
    cleaned = posixpath.normpath(target) if target else target
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def mount_target(node: Node) -> str | None:
    """What tells one mount of a service from another: its target."""
    if isinstance(node, Scalar):
        spec = parse_volume(node.value)
        return None if isinstance(spec, str) else spec.target
    target = scalar(child(node, "target")) if isinstance(node, MapNode) else None
    return target.value if target else None


def _fields(spec: str) -> list[str]:
    """Split at colons, but not after the letter of a Windows drive."""
    fields: list[str] = []
    current = ""
    for letter in spec:
        if letter == ":" and not (len(current) == 1 and current.isalpha()):
            fields.append(current)
            current = ""
        else:
            current += letter
    return [*fields, current]
