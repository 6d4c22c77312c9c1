"""Modes of the files in the user's layers: `config-setuid`, `config-world-writable`.

In: what is visible in the image (`Stacked.visible`) and the layers. Out: one finding for each layer and rule.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.escape import path_text, plain
from imgscan.model import EntryKind, Evidence, Finding, LayerReport, Location, Place, Severity, Status
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.layers.blocks import ListedEntry

_SETUID: Final = 0o4000
_SETGID: Final = 0o2000
_STICKY: Final = 0o1000
_OTHERS_WRITE: Final = 0o002
_NAMED: Final = 6
# What the distributions' own packages install so.
_USUAL: Final = frozenset(
    {
        *(
            "su",
            "sg",
            "passwd",
            "chsh",
            "chfn",
            "chage",
            "expiry",
            "gpasswd",
            "newgrp",
            "mount",
            "umount",
            "wall",
            "write",
        ),
        *("unix_chkpwd", "ssh-agent", "crontab", "dotlockfile", "pam_extrausers_chkpwd", "ssh-keysign", "bbsuid", "at"),
        *("newuidmap", "newgidmap", "fusermount", "fusermount3", "dbus-daemon-launch-helper", "utempter", "pt_chown"),
    }
)
_SHARED: Final = ("/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run/lock", "/var/lock")  # noqa: S108 - only compared


def detect(visible: Iterable[tuple[int, ListedEntry]], layers: Sequence[LayerReport]) -> Iterator[Finding]:
    """Findings on the layers that the Dockerfile added; one pass over the visible entries, each with its layer."""
    own = {layer.index: layer for layer in layers if not layer.from_base}
    setuid: dict[int, list[tuple[str, int]]] = {}
    writable: dict[int, list[str]] = {}
    for layer, entry in visible:
        mode, kind = entry.mode, entry.kind
        if layer not in own or not mode & (_SETUID | _SETGID | _OTHERS_WRITE):
            continue
        path = "/" + path_text(entry.path).lstrip("/")
        if kind in (EntryKind.FILE, EntryKind.HARDLINK) and mode & (_SETUID | _SETGID):
            setuid.setdefault(layer, []).append((path, mode))
        if _is_open(path, mode, kind):
            writable.setdefault(layer, []).append(path)
    for index in sorted(setuid):
        yield _setuid(own[index], sorted(setuid[index]))
    for index in sorted(writable):
        yield _writable(own[index], sorted(writable[index]))


def _is_open(path: str, mode: int, kind: EntryKind) -> bool:
    """Whether everybody may change it: links have no mode of their own, sticky folders are made for sharing."""
    if not mode & _OTHERS_WRITE or kind not in (EntryKind.FILE, EntryKind.HARDLINK, EntryKind.DIRECTORY):
        return False
    if kind is EntryKind.DIRECTORY and mode & _STICKY:
        return False
    return not path.startswith(tuple(f"{folder}/" for folder in _SHARED)) and path not in _SHARED


def _setuid(layer: LayerReport, found: Sequence[tuple[str, int]]) -> Finding:
    unusual = [path for path, mode in found if mode & _SETUID and posixpath.basename(path) not in _USUAL]
    paths = [*unusual, *(path for path, _ in found if path not in unusual)]
    return make_finding(
        "config-setuid",
        message=f"{_listed(paths)} {'has' if len(paths) == 1 else 'have'} the setuid or setgid bit{_from(layer)}.",
        location=_location(layer, paths[0]),
        evidence=Evidence.OBSERVED,
        identity=("setuid", *paths[:_NAMED]),
        severity=None if unusual else Severity.LOW,
        status=Status.VISIBLE,
    )


def _writable(layer: LayerReport, paths: Sequence[str]) -> Finding:
    every = frozenset(paths)
    tops = [path for path in paths if posixpath.dirname(path) not in every]
    return make_finding(
        "config-world-writable",
        message=f"everybody may write to {len(paths)} paths{_from(layer)}: {_listed(tops or paths)}.",
        location=_location(layer, (tops or paths)[0]),
        evidence=Evidence.OBSERVED,
        identity=("writable", *(tops or paths)[:_NAMED]),
        status=Status.VISIBLE,
    )


def _location(layer: LayerReport, path: str) -> Location:
    return Location(place=Place.FILE, layer=layer.index, path=path, dockerfile=layer.dockerfile, status=Status.VISIBLE)


def _from(layer: LayerReport) -> str:
    return f", brought by line {layer.dockerfile.line}" if layer.dockerfile else ""


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(plain, paths[:_NAMED])) + more
