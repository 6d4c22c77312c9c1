"""Modes of the files in the user's layers: `config-setuid`, `config-world-writable`.

In: what is visible in the image (`Stacked.visible`) and the layers. Out: one finding for each layer and rule. What the
distributions' own packages install, and which folders are made for sharing, say the tables of `rules/config.yml`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from imgscan.escape import path_text, plain
from imgscan.frozen import frozen
from imgscan.model import EntryKind, Evidence, Finding, LayerReport, Location, Place, Severity, Status
from imgscan.rulebook import load_yaml, make_finding, rules_dir

if TYPE_CHECKING:
    from imgscan.layers.blocks import ListedEntry

_SETUID: Final = 0o4000
_SETGID: Final = 0o2000
_STICKY: Final = 0o1000
_OTHERS_WRITE: Final = 0o002
_NAMED: Final = 6


def detect(visible: Iterable[tuple[int, ListedEntry]], layers: Sequence[LayerReport]) -> Iterator[Finding]:
    """Findings on the layers that the Dockerfile added; one pass over the visible entries, each with its layer.

    Of the lowest layer, a distribution's root file system wherever no base is known, usual programs are not named.
    """
    tables = mode_tables()
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
        if _is_open(path, mode, kind, tables):
            writable.setdefault(layer, []).append(path)
    for index in sorted(setuid):
        found = sorted(setuid[index])
        unusual = [path for path, mode in found if mode & _SETUID and not _is_usual(path, tables)]
        if unusual or index:
            yield _setuid(own[index], unusual, [path for path, _ in found])
    for index in sorted(writable):
        yield _writable(own[index], sorted(writable[index]))


@frozen
class ModeTables:
    """Programs that distributions install with the setuid or setgid bit, and folders that are made for sharing."""

    programs: frozenset[str]
    program_folders: tuple[str, ...]
    shared: tuple[str, ...]


@cache
def mode_tables() -> ModeTables:
    """The tables of `rules/config.yml`."""
    tables = load_yaml(rules_dir() / "config.yml")["modes"]
    return ModeTables(
        programs=frozenset(tables["usual_setuid"]),
        program_folders=tuple(f"{folder}/" for folder in tables["program_folders"]),
        shared=tuple(f"{folder}/" for folder in tables["shared"]),
    )


def _is_usual(path: str, tables: ModeTables) -> bool:
    return posixpath.basename(path) in tables.programs and path.startswith(tables.program_folders)


def _is_open(path: str, mode: int, kind: EntryKind, tables: ModeTables) -> bool:
    """Whether everybody may change it: links have no mode of their own, sticky folders are made for sharing."""
    if not mode & _OTHERS_WRITE or kind not in (EntryKind.FILE, EntryKind.HARDLINK, EntryKind.DIRECTORY):
        return False
    if kind is EntryKind.DIRECTORY and mode & _STICKY:
        return False
    return not f"{path}/".startswith(tables.shared)


def _setuid(layer: LayerReport, unusual: Sequence[str], found: Sequence[str]) -> Finding:
    known = frozenset(unusual)
    paths = [*unusual, *(path for path in found if path not in known)]
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
