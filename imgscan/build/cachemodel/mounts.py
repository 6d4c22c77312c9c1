"""The mounts of a RUN: what of their options counts in the key, and the files that bind mounts bring.

`dispatchRunMounts` of moby/buildkit frontend/dockerfile/dockerfile2llb/convert_runmount.go; which options of a cache
mount count: `checkShouldClearCacheOpts` of solver/llbsolver/ops/exec.go, which Docker 20.10 has not got yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.build.cachemodel.contents import Content, Tree, make_content
from imgscan.build.cachemodel.filesystems import FileSystem
from imgscan.build.cachemodel.records import CacheBuilder
from imgscan.build.cachemodel.settings import Settings, Surroundings, absolute
from imgscan.build.cachemodel.transfers import in_key_order, renamed
from imgscan.detect.stages.contextindex import clean_source
from imgscan.detect.stages.walk import bind_options
from imgscan.frozen import frozen

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command

_NAMESPACE: Final = "BUILDKIT_CACHE_MOUNT_NS"
_CLEARED_SINCE: Final = (23, 0)
_YES: Final = frozenset({"", "true", "1", "t", "T", "TRUE", "True"})


@frozen
class Mount:
    """A mount: `facet` is what of it counts; `source` is the path it takes of `origin` (None: the context) where it
    `brings` files."""

    facet: tuple[str, ...]
    brings: bool = False
    origin: str | None = None
    source: str = ""


def read_mounts(command: Command, settings: Settings, around: Surroundings, builder: CacheBuilder) -> tuple[Mount, ...]:
    """The mounts of a RUN; those whose options make no sense are left out, as the build fails on them."""
    found: list[Mount] = []
    for name, value in command.flags:
        options = bind_options(value) if name == "mount" and value else None
        if options is not None:
            expanded = {key: around.expand(option, settings) for key, option in options.items()}
            found.append(_read(expanded, settings, around, builder))
    return tuple(found)


def _read(options: dict[str, str], settings: Settings, around: Surroundings, builder: CacheBuilder) -> Mount:
    kind = options.get("type", "bind")
    given = options.get("target", "")
    target = absolute(given, settings.cwd)
    if kind in ("secret", "ssh"):
        return Mount(facet=(kind, *(f"{key}={options[key]}" for key in sorted(options) if key != "type")))
    if kind == "tmpfs":
        return Mount(facet=(kind, target, options.get("size", "")))
    writable = _is_set(options, "rw", "readwrite") if kind == "bind" else not _is_set(options, "ro", "readonly")
    facet: tuple[str, ...] = (kind, target, "rw" if writable else "ro")
    if kind == "cache":
        facet += _cache_facet(options, target, given, around, builder)
        facet += tuple(options.get(name, "") for name in ("uid", "gid", "mode"))
    brings = kind == "bind" or "from" in options
    return Mount(facet=facet, brings=brings, origin=options.get("from"), source=options.get("source", ""))


def _is_set(options: dict[str, str], *names: str) -> bool:
    return any(name in options and options[name] in _YES for name in names)


def _cache_facet(
    options: dict[str, str], target: str, given: str, around: Surroundings, builder: CacheBuilder
) -> tuple[str, ...]:
    """Id and sharing; newer engines look at them only where both are the default ones."""
    name = options.get("id") or given
    sharing = options.get("sharing", "shared")
    space = around.build_args.get(_NAMESPACE, "")
    if builder.version >= _CLEARED_SINCE and not (name == target and sharing == "shared"):
        return ("", "")
    return (f"{space}/{name}", sharing)


def take_mounts(mounts: Sequence[Mount], find: Callable[[str | None], Tree | FileSystem]) -> tuple[Content, ...]:
    """The files that bind mounts bring, as they go into the key; `find` gives the files of an origin."""
    by_origin: dict[str | None, list[tuple[str, tuple[Content, ...]]]] = {}
    for mount in mounts:
        if mount.brings:
            source = clean_source(mount.source)
            taken = find(mount.origin).select(mount.source) or (make_content(source, {}, names="missing"),)
            keyed = tuple(renamed(content, "") for content in taken)
            by_origin.setdefault(mount.origin, []).append((source, keyed))
    return tuple(content for taken in by_origin.values() for content in in_key_order(taken))
